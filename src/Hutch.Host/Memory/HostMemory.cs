using Hutch.Host.Linux;

namespace Hutch.Host.Memory;

/// <summary>How much memory the host has.</summary>
public static unsafe class HostMemory
{
    /// <summary>RAM and swap space in bytes: more than this can never be backed. <see cref="ulong.MaxValue"/> when the host does not say.</summary>
    public static ulong TotalBytes
    {
        get
        {
            SystemInfo info;
            // SAFETY: the kernel fills one structure on this frame, whose size a test holds.
            if (Libc.GetSystemInfo(&info) != 0) return ulong.MaxValue;
            return (info.TotalRam + info.TotalSwap) * info.UnitBytes;
        }
    }
}
