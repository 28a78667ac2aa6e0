using System.Runtime.InteropServices;

namespace Hutch.Dev.Bench;

/// <summary>CPU time of the calling thread, user and system: what a busy host does not change.</summary>
internal static partial class ThreadClock
{
    private const int ThreadCpuTime = 3;

    [StructLayout(LayoutKind.Sequential)]
    private struct Timespec
    {
        public long Seconds;
        public long Nanoseconds;
    }

    /// <summary>So far.</summary>
    internal static long Nanoseconds()
    {
        _ = ClockGetTime(ThreadCpuTime, out Timespec time);
        return (time.Seconds * 1_000_000_000) + time.Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGetTime(int clock, out Timespec time);
}
