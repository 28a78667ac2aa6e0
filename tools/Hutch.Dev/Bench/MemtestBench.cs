using System;
using System.Diagnostics;
using System.IO;

namespace Hutch.Dev.Bench;

/// <summary>Runs Debian's memtest86+ through <c>--kernel</c> until its first pass ends.</summary>
internal sealed class MemtestBench(string root)
{
    internal int Run()
    {
        string folder = Path.Combine(root, "build/memtest");
        string image = Path.Combine(folder, "boot/memtest86+x64.bin");
        if (!File.Exists(image)) Download(folder);
        using Guest guest = Guest.Start(Path.Combine(root, "hutch"), ["run", "--kernel", image, "--memory", "32M", "--append", "console=ttyS0,115200"]);
        long start = Stopwatch.GetTimestamp();
        // The screen is drawn with cursor movements; a count that changes is drawn anew, so the finished pass shows as its own text.
        bool passed = guest.WaitFor("Pass complete", TimeSpan.FromMinutes(30));
        Console.WriteLine($"{(passed ? "first pass without an error" : "FAILED")} after {Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s");
        if (!passed) Console.WriteLine(guest.Transcript);
        return passed ? 0 : 1;
    }

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
