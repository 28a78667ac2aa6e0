using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>struct sysinfo of a 64-bit kernel (sysinfo(2)): 112 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SystemInfo
{
    internal long UptimeSeconds;
    internal LoadAverages Loads;
    internal ulong TotalRam;
    internal ulong FreeRam;
    internal ulong SharedRam;
    internal ulong BufferRam;
    internal ulong TotalSwap;
    internal ulong FreeSwap;
    internal ushort Processes;
    internal ushort Padding;
    internal ulong TotalHigh;
    internal ulong FreeHigh;
    internal uint UnitBytes;

    /// <summary>loads[3].</summary>
    [InlineArray(3)]
    internal struct LoadAverages
    {
        private ulong _first;
    }
}

/// <summary>libc calls about the host as a whole (sysinfo(2), getrandom(2)). No policy: callers check results.</summary>
internal static unsafe partial class Libc
{
    [LibraryImport("libc", EntryPoint = "sysinfo", SetLastError = true)]
    internal static partial int GetSystemInfo(SystemInfo* info);

    [LibraryImport("libc", EntryPoint = "getrandom", SetLastError = true)]
    internal static partial nint GetRandom(void* destination, nuint length, uint flags);
}
