using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading;
using Hutch.Dev.Bench;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>
/// The verb <c>./dev fuzz devices</c>: so many actions of random guests for each kind of device, told in stories. An exception of a device, a state that does not come back, an
/// action that takes much CPU time, too much memory and a story that stands still are defects. Each kind has a process of its own, because a worker's exception ends it.
/// </summary>
internal sealed class DeviceFuzzCommand(string root, int seed)
{
    /// <summary>What the process of one kind is called by.</summary>
    internal const string Inside = "inside-fuzz-device";

    private const int MostDefects = 5;
    private const ulong MostBytes = 512 << 20;
    private static readonly TimeSpan LongestAction = TimeSpan.FromSeconds(2), LongestStandstill = TimeSpan.FromMinutes(2);

    /// <summary>Fuzzes all kinds, or those whose name contains a word; status 1 for a defect.</summary>
    internal int Run(int actions, string word)
    {
        bool failed = false;
        foreach (FuzzedDevice kind in FuzzedDevices.All.Where(kind => kind.Name.Contains(word, StringComparison.Ordinal)))
        {
            using Process process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [Inside, kind.Name, Text(actions), Text(seed)]))!;
            process.WaitForExit();
            failed |= process.ExitCode != 0;
            if (process.ExitCode > 1) Console.WriteLine($"{kind.Name}: its process ended with status {process.ExitCode}");
        }
        return failed ? 1 : 0;
    }

    /// <summary>Fuzzes one kind in this process.</summary>
    internal int RunOne(FuzzedDevice kind, int actions)
    {
        AppContext.SetData("GCHeapHardLimit", MostBytes);
        GC.RefreshMemoryLimit();
        int story = seed, action = 0, done = 0, defects = 0;
        FuzzReach reach = new();
        long longest = 0, start = 0, told = 0;
        AppDomain.CurrentDomain.UnhandledException += (_, thrown) => Keep(kind, story, action, thrown.ExceptionObject);
        Thread watch = new(() =>
        {
            for (long seen = -1; ; seen = Interlocked.Read(ref told))
            {
                Thread.Sleep(LongestStandstill);
                if (seen != Interlocked.Read(ref told)) continue;
                Keep(kind, story, action, $"nothing happened for {LongestStandstill.TotalSeconds:F0} s");
                Environment.Exit(1);
            }
        }) { IsBackground = true };
        watch.Start();
        void Before(int next)
        {
            long now = ThreadClock.Nanoseconds();
            if (next != 0 && now - start > longest) longest = now - start;
            if (next != 0 && now - start > LongestAction.TotalNanoseconds) throw new FuzzDefect($"Action {next - 1} took {(now - start) / 1_000_000} ms of CPU.");
            (start, action) = (ThreadClock.Nanoseconds(), next);
            Interlocked.Increment(ref told);
        }
        for (; done < actions && defects < MostDefects; done += FuzzStory.MostActions, story++)
        {
            try
            {
                FuzzStory.Tell(kind, story, Math.Min(FuzzStory.MostActions, actions - done), reach, Before);
            }
            catch (Exception wrong)
            {
                Keep(kind, story, action, wrong);
                defects++;
            }
        }
        TimeSpan cpu = Process.GetCurrentProcess().TotalProcessorTime;
        Console.WriteLine($"{kind.Name}: {Math.Min(done, actions)} actions, {defects} defects; {reach}; {cpu.TotalSeconds:F0} s of CPU, the longest action {longest / 1e6:F1} ms, at most {Process.GetCurrentProcess().PeakWorkingSet64 >> 20} MiB");
        return defects == 0 ? 0 : 1;
    }

    private void Keep(FuzzedDevice kind, int story, int action, object wrong)
    {
        string path = Path.Combine(Directory.CreateDirectory(Path.Combine(root, "build", "fuzz")).FullName, $"{kind.Name}-{story}");
        string text = $"DEFECT of {kind.Name} in story {story} at action {action}; './dev fuzz devices {FuzzStory.MostActions} {story} {kind.Name}' does it again: {wrong}";
        File.WriteAllText(path, text);
        Console.WriteLine(text);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
