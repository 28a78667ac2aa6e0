using System;
using System.Globalization;

namespace Hutch.Cli.Debian;

/// <summary>Reads from what mmdebstrap and its apt and dpkg say (--verbose) how far they are.</summary>
/// <param name="progress">Is told.</param>
internal sealed class MmdebstrapProgress(BuildProgress progress)
{
    // Each package is unpacked, then set up.
    private const int StepsOfPackage = 2;

    private long _bytes, _allBytes;
    private int _steps, _allSteps;

    /// <summary>Takes one line.</summary>
    internal void Take(string line)
    {
        if (line.StartsWith("Need to get ", StringComparison.Ordinal))
        {
            // "Need to get 54.3 MB of archives." or, when some are there, "Need to get 1 MB/54.3 MB of archives."
            _allBytes += Size(line["Need to get ".Length..].Split('/')[0]);
            progress.Begin("downloading packages", BuildProgress.Bytes);
        }
        else if (line.StartsWith("Get:", StringComparison.Ordinal) && _allBytes > 0 && line.LastIndexOf('[') is >= 0 and int open)
        {
            _bytes = Math.Min(_bytes + Size(line[(open + 1)..]), _allBytes);
            progress.Report(_bytes, _allBytes);
        }
        else if (line.IndexOf(" newly installed", StringComparison.Ordinal) is > 0 and int end)
        {
            int start = line.LastIndexOf(' ', end - 1) + 1;
            if (int.TryParse(line.AsSpan(start, end - start), NumberStyles.None, CultureInfo.InvariantCulture, out int packages)) _allSteps += StepsOfPackage * packages;
        }
        else if (line.StartsWith("Unpacking ", StringComparison.Ordinal) || line.StartsWith("Setting up ", StringComparison.Ordinal))
        {
            progress.Begin("installing packages", BuildProgress.Steps);
            progress.Report(Math.Min(++_steps, _allSteps), _allSteps);
        }
    }

    // apt's units are powers of 1000.
    private static long Size(string text)
    {
        string[] words = text.Split([' ', ']', ','], 3);
        if (words.Length < 2 || !double.TryParse(words[0], NumberStyles.Float, CultureInfo.InvariantCulture, out double number)) return 0;
        return (long)(number * words[1] switch { "kB" => 1e3, "MB" => 1e6, "GB" => 1e9, _ => 1 });
    }
}
