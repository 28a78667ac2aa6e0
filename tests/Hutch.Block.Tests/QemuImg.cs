using System.Diagnostics;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.Block.Tests;

/// <summary>The other image tool.</summary>
internal static class QemuImg
{
    internal const string Path = "/usr/bin/qemu-img";

    /// <summary>Runs it; its output, both streams, when it ends with status 0.</summary>
    internal static string Run(params string[] arguments)
    {
        (int status, string output) = Try(arguments);
        Assert.True(status == 0, $"qemu-img {string.Join(' ', arguments)} ended with {status}: {output}");
        return output;
    }

    /// <summary>Runs it; its status and its output.</summary>
    internal static (int Status, string Output) Try(params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(Path, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd() + errors.GetAwaiter().GetResult();
        process.WaitForExit();
        return (process.ExitCode, output);
    }
}
