using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>libc calls on where threads run and where memory lies (sched(7), numa(7), mlock(2)). No policy: callers check results.</summary>
internal static unsafe partial class Libc
{
    internal const nint SysMbind = 237;
    internal const int MadvUnmergeable = 13, MadvPopulateWrite = 23;

    [LibraryImport("libc", EntryPoint = "sched_setaffinity", SetLastError = true)]
    internal static partial int SetAffinity(int thread, nuint maskBytes, ulong* mask);

    [LibraryImport("libc", EntryPoint = "sched_getaffinity", SetLastError = true)]
    internal static partial int GetAffinity(int thread, nuint maskBytes, ulong* mask);

    /// <summary>struct sched_param holds one int.</summary>
    [LibraryImport("libc", EntryPoint = "sched_setscheduler", SetLastError = true)]
    internal static partial int SetScheduler(int thread, int policy, int* priority);

    [LibraryImport("libc", EntryPoint = "sched_getscheduler", SetLastError = true)]
    internal static partial int GetScheduler(int thread);

    [LibraryImport("libc", EntryPoint = "sched_getparam", SetLastError = true)]
    internal static partial int GetPriority(int thread, int* priority);

    [LibraryImport("libc", EntryPoint = "mlock", SetLastError = true)]
    internal static partial int Mlock(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "munlock", SetLastError = true)]
    internal static partial int Munlock(void* address, nuint length);
}
