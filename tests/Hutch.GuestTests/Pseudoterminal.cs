using System;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Tasks;

namespace Hutch.GuestTests;

/// <summary>Runs a command on a terminal of its own, by script(1).</summary>
internal static partial class Pseudoterminal
{
    /// <summary>
    /// Types <paramref name="keys"/> when the terminal shows <paramref name="awaited"/>. Returns the terminal's settings before and after, the command's status, and all
    /// that was shown.
    /// </summary>
    internal static async Task<(string Before, string After, int Status, string Screen)> Run(string command, string awaited, string keys)
    {
        ProcessStartInfo start = new("script", ["-qfec", $"echo before=$(stty -g); {command}; echo status=$?; echo after=$(stty -g)", "/dev/null"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true,
        };
        using Process process = Process.Start(start)!;
        StringBuilder screen = new();
        char[] buffer = new char[4096];
        bool typed = false;
        int count;
        while ((count = await process.StandardOutput.ReadAsync(buffer).AsTask().WaitAsync(TimeSpan.FromSeconds(120))) > 0)
        {
            screen.Append(buffer, 0, count);
            if (typed || !screen.ToString().Contains(awaited, StringComparison.Ordinal)) continue;
            typed = true;
            await process.StandardInput.WriteAsync(keys);
            await process.StandardInput.FlushAsync();
        }
        await Launcher.WaitForExit(process, TimeSpan.FromSeconds(10));
        Match match = Report().Match(screen.ToString());
        if (!match.Success) throw new InvalidOperationException($"The terminal showed:\n{screen}");
        return (match.Groups["before"].Value, match.Groups["after"].Value, int.Parse(match.Groups["status"].Value, CultureInfo.InvariantCulture), screen.ToString());
    }

    [GeneratedRegex(@"before=(?<before>\S+)[\s\S]*status=(?<status>\d+)\s+after=(?<after>\S+)")]
    private static partial Regex Report();
}
