using System;
using System.Diagnostics;
using System.IO;
using System.Text.RegularExpressions;

namespace Hutch.Dev.Bench;

/// <summary>Runs Debian's memtest86+ through <c>--kernel</c> until its first pass ends.</summary>
internal sealed partial class MemtestBench(string root)
{
    internal int Run()
    {
        string folder = Path.Combine(root, "build/memtest");
        string image = Path.Combine(folder, "boot/memtest86+x64.bin");
        if (!File.Exists(image)) Download(folder);
        using Guest guest = Guest.Start(Path.Combine(root, "hutch"), ["run", "--kernel", image, "--memory", "32M", "--append", "console=ttyS0,115200"]);
        long start = Stopwatch.GetTimestamp();
        // The screen is drawn line by line with cursor movements; passes and errors are counted on the same line.
        bool passed = guest.WaitFor("Pass:  1 ", TimeSpan.FromMinutes(30)) && guest.WaitFor("Errors: 0 ", TimeSpan.FromSeconds(30)) && !Errors().IsMatch(guest.Transcript);
        Console.WriteLine($"{(passed ? "first pass without an error" : "FAILED")} after {Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s");
        if (!passed) Console.WriteLine(guest.Transcript);
        return passed ? 0 : 1;
    }

    [GeneratedRegex("Errors: *[1-9]")]
    private static partial Regex Errors();

    private static void Download(string folder)
    {
        Directory.CreateDirectory(folder);
        using Process process = Process.Start(new ProcessStartInfo("sh", ["-ec",
            "mkdir -p lists/partial cache/archives/partial; O='-oDir::State::Lists=lists -oDir::Cache=cache -oDebug::NoLocking=1 -oAPT::Sandbox::User=root -q'; "
            + "apt-get $O update; apt-get $O download memtest86+; dpkg -x memtest86+_*.deb ."]) { WorkingDirectory = folder })!;
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException("memtest86+ cannot be downloaded.");
    }
}
