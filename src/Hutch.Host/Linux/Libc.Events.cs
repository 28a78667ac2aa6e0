using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>struct pollfd (poll(2)).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PollFd
{
    internal int Fd;
    internal short Events;
    internal short Returned;
}

/// <summary>struct timespec of a 64-bit kernel.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct TimeSpec
{
    internal long Seconds;
    internal long Nanoseconds;
}

/// <summary>libc calls that wait and wake (poll(2), eventfd(2), pipe(2), futex(2), prctl(2)). No policy: callers check results.</summary>
internal static unsafe partial class Libc
{
    internal const short PollIn = 1, PollOut = 4, PollErr = 8, PollHup = 0x10;
    internal const int EfdCloexec = 0x80000, EfdNonblock = 0x800;
    internal const int PipeCloexec = 0x80000, PipeNonblock = 0x800;
    internal const int FutexWakePrivate = 1 | 128, FutexWaitBitsetPrivate = 9 | 128;
    internal const uint FutexMatchAny = uint.MaxValue;
    internal const int PrSetTimerSlack = 29;
    internal const nint SysFutex = 202;

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    internal static partial int Poll(PollFd* fds, nuint count, int timeoutMs);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    internal static partial int CreateEventFd(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "pipe2", SetLastError = true)]
    internal static partial int CreatePipe(int* ends, int flags);

    /// <summary>futex(2) through syscall(2); x86-64 passes the arguments of a variadic integer call as of any other.</summary>
    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    internal static partial nint Futex(nint number, int* word, int operation, int value, TimeSpec* deadline, int* second, uint mask);

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    internal static partial int Prctl(int option, nuint argument2, nuint argument3, nuint argument4, nuint argument5);
}
