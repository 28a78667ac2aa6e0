using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;

namespace Hutch.Dev.Bench;

/// <summary>Boots many times in a row, with 1 and 2 vCPUs in turn, while every CPU of the host has other work.</summary>
internal sealed class StressBench(string root)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    internal int Run(int boots)
    {
        List<Process> load = [];
        int failures = 0;
        try
        {
            for (int cpu = 0; cpu < Environment.ProcessorCount; cpu++) load.Add(Process.Start("sh", ["-c", "while :; do :; done"]));
            for (int boot = 1; boot <= boots; boot++)
            {
                int vcpus = 2 - boot % 2;
                long start = Stopwatch.GetTimestamp();
                string? failure = Once(vcpus, boot);
                if (failure is not null) failures++;
                Console.WriteLine($"boot {boot} of {boots}, {vcpus} vCPU: {failure ?? "ok"} after {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s");
            }
        }
        finally
        {
            foreach (Process process in load)
            {
                process.Kill();
                process.Dispose();
            }
        }
        Console.WriteLine($"{boots - failures} of {boots} boots reached the shell and powered off with status 0");
        return failures == 0 ? 0 : 1;
    }

    /// <summary>Returns null when all went well, else what did not; the transcript is then in build/stress.</summary>
    private string? Once(int vcpus, int boot)
    {
        using Guest guest = Guest.Start(Path.Combine(root, "hutch"), ["run", "--cpus", $"{vcpus}"]);
        string? failure = null;
        if (!guest.WaitFor(Guest.Marker, Patience) || !guest.WaitFor("~ # ", Patience)) failure = "no shell";
        else
        {
            guest.Send("poweroff\n");
            int status = guest.WaitForExit(Patience);
            if (status != 0) failure = $"status {status}";
        }
        if (failure is null) return null;
        Directory.CreateDirectory(Path.Combine(root, "build/stress"));
        File.WriteAllText(Path.Combine(root, $"build/stress/boot-{boot}.txt"), guest.Transcript);
        return failure;
    }
}
