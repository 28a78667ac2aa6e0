using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Dev.KvmLab;
using Hutch.Host.Linux;
using Hutch.Kvm.Probe;

namespace Hutch.Dev.Bench;

/// <summary>
/// What the probe of /dev/kvm takes, and what the KVM engine costs beyond the kernel: CPU time of an exit beside a C loop over the raw ioctl, bytes allocated, and how long a pause of four vCPUs takes.
/// </summary>
internal static class KvmBench
{
    private const int Exits = 100_000, Vcpus = 4, Pairs = 9;
    private const double OverheadGoal = 1.05, PauseGoalMs = 1, ProbeGoalMs = 20;
    private static readonly TimeSpan Lost = TimeSpan.FromSeconds(30);

    /// <summary>Compares, then pauses <paramref name="pauses"/> times; status 1 when a goal is missed.</summary>
    internal static int Run(int pauses)
    {
        bool good = TimeProbe() & CompareExits() & Pause(pauses);
        return good ? 0 : 1;
    }

    // As "hutch run" does it once after a start of the host.
    private static bool TimeProbe()
    {
        List<double> times = [];
        KvmProbeResult? result = null;
        for (int i = 0; i < Pairs; i++)
        {
            long start = Stopwatch.GetTimestamp();
            result = KvmProbe.Run(new DeviceCalls(), ProbeSignals.Read());
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        Console.WriteLine($"probe: {result!.Verdict} ({result.Detail}): first {times[0]:F1} ms, median of {Pairs} {Statistics.Median(times):F1} ms (goal {ProbeGoalMs} ms)");
        return Statistics.Median(times) <= ProbeGoalMs;
    }

    private static bool CompareExits()
    {
        string loop = Compile();
        List<double> ours = [], theirs = [];
        long bytes = 0;
        using (KvmGuest guest = new(1))
        {
            guest.Enter(0, [0xe6, 0x10, 0xeb, 0xfc]);                    // again: out 0x10, al; jmp again
            // Until the loop has its final code.
            for (int i = 0; i < 100; i++) guest.RunFor(100);
            Thread.Sleep(500);
            // What is done for the first time allocates, a run of this length too.
            guest.RunFor(Exits);
            _ = ThreadClock.Nanoseconds();
            for (int pair = 0; pair < Pairs; pair++)
            {
                guest.RunFor(1000);
                long before = GC.GetAllocatedBytesForCurrentThread(), start = ThreadClock.Nanoseconds();
                guest.RunFor(Exits);
                long spent = ThreadClock.Nanoseconds() - start;
                bytes += GC.GetAllocatedBytesForCurrentThread() - before;
                ours.Add((double)spent / Exits);
                theirs.Add(double.Parse(Output(loop, $"{Exits}"), CultureInfo.InvariantCulture));
            }
        }
        double our = Statistics.Median(ours), their = Statistics.Median(theirs), ratio = Statistics.Median([.. ours.Zip(theirs, (a, b) => a / b)]);
        Console.WriteLine($"port write, CPU time of one exit, median of {Pairs} x {Exits}: hutch {our:F0} ns, C loop {their:F0} ns; median ratio {ratio:F3} (goal {OverheadGoal:F2})");
        Console.WriteLine($"bytes allocated in {Pairs * Exits} exits: {bytes} (goal 0)");
        return ratio <= OverheadGoal && bytes == 0;
    }

    /// <summary>Even vCPUs spin, odd ones halt. A round asks all to stop, waits for all, and lets all go on.</summary>
    private static bool Pause(int rounds)
    {
        using KvmGuest guest = new(Vcpus);
        using CountdownEvent stopped = new(Vcpus);
        using Barrier start = new(Vcpus + 1);
        bool end = false;
        Thread[] threads = new Thread[Vcpus];
        for (int i = 0; i < Vcpus; i++)
        {
            int index = i;
            guest.Enter(index, index % 2 == 0 ? [0xeb, 0xfe] : [0xf4, 0xeb, 0xfd]);
            threads[i] = new Thread(() =>
            {
                while (true)
                {
                    start.SignalAndWait();
                    if (Volatile.Read(ref end)) return;
                    if (guest.Vcpu(index).Run(guest) != VcpuStop.Requested) Console.WriteLine($"vCPU {index} failed: {guest.Vcpu(index).Failure?.Sentence}");
                    stopped.Signal();
                }
            }) { IsBackground = true };
            threads[i].Start();
        }
        List<double> milliseconds = new(rounds);
        for (int round = 0; round < rounds; round++)
        {
            stopped.Reset();
            start.SignalAndWait();
            // Some requests come before the vCPU runs, some while it does.
            if (round % 4 != 0) Thread.Yield();
            long asked = Stopwatch.GetTimestamp();
            for (int i = 0; i < Vcpus; i++) guest.Vcpu(i).RequestStop();
            if (!stopped.Wait(Lost))
            {
                Console.WriteLine($"LOST: in round {round} a vCPU was still running {Lost.TotalSeconds} s after it was asked to stop");
                return false;
            }
            milliseconds.Add(Stopwatch.GetElapsedTime(asked).TotalMilliseconds);
        }
        Volatile.Write(ref end, true);
        start.SignalAndWait();
        foreach (Thread thread in threads) thread.Join();
        double median = Statistics.Median(milliseconds), most = milliseconds.Max();
        Console.WriteLine($"{rounds} pauses of {Vcpus} vCPUs ({rounds * (long)Vcpus} kicks), none lost: median {median:F3} ms (goal {PauseGoalMs} ms), longest {most:F1} ms");
        return median <= PauseGoalMs;
    }

    private static string Compile()
    {
        if (!File.Exists("/usr/bin/gcc")) throw new Cli.UserException("The comparison needs a C compiler; install the packages gcc and libc6-dev.", 1);
        string folder = Directory.CreateTempSubdirectory("hutch-bench").FullName;
        File.WriteAllBytes($"{folder}/loop.c", LabKernel.Resource("port-loop.c"));
        Output("gcc", "-O2", "-o", $"{folder}/loop", $"{folder}/loop.c");
        return $"{folder}/loop";
    }

    private static string Output(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program} failed.");
    }
}
