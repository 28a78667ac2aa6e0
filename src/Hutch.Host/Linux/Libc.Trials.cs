using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>struct rlimit (getrlimit(2)); all bits set: no limit.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ResourceLimit
{
    internal ulong Soft;
    internal ulong Hard;
}

/// <summary>libc calls that only find out what the kernel offers, and syscall(2) for those that libc does not wrap. No policy: callers check results.</summary>
internal static unsafe partial class Libc
{
    internal const nint SysGetMempolicy = 239, SysUserfaultfd = 323, SysIoUringSetup = 425, SysIoUringEnter = 426, SysLandlockCreateRuleset = 444;
    internal const int MadvMergeable = 12;
    internal const int MapPopulate = 0x8000, MapHugeTlb = 0x40000, MapHugeShift = 26;

    /// <summary>syscall(2); x86-64 passes the arguments of a variadic integer call as of any other. Arguments that a call does not have are ignored.</summary>
    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    internal static partial nint Syscall(nint number, nint first, nint second, nint third, nint fourth, nint fifth, nint sixth);

    [LibraryImport("libc", EntryPoint = "getrlimit", SetLastError = true)]
    internal static partial int GetLimit(int resource, ResourceLimit* limit);

    [LibraryImport("libc", EntryPoint = "adjtimex", SetLastError = true)]
    internal static partial int AdjustClock(void* timex);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    internal static partial int Fsync(SafeHandle fd);

    [LibraryImport("libc", EntryPoint = "getauxval")]
    internal static partial nuint GetAuxiliaryValue(nuint type);

    [LibraryImport("libc", EntryPoint = "getegid")]
    internal static partial uint GetEffectiveGroup();

    [LibraryImport("libc", EntryPoint = "getgroups", SetLastError = true)]
    internal static partial int GetGroups(int count, uint* groups);
}
