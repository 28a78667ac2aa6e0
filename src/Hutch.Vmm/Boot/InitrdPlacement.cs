using System;
using Hutch.Core.Memory;
using Hutch.Devices;

namespace Hutch.Vmm.Boot;

/// <summary>Chooses the place of the initial RAM disk.</summary>
internal static class InitrdPlacement
{
    private const ulong PageMask = 0xfff;

    /// <summary>
    /// The highest page-aligned address below 4 GiB at which the disk lies in RAM, ends at or below <paramref name="lastAddress"/>, and does
    /// not touch the kernel's working range. Throws <see cref="ConfigException"/> when there is none.
    /// </summary>
    /// <param name="memory">Guest RAM.</param>
    /// <param name="initrd">The disk.</param>
    /// <param name="lastAddress">Highest address that its last byte may have, as the kernel says.</param>
    /// <param name="kernelStart">First byte that the kernel occupies while it unpacks itself.</param>
    /// <param name="kernelEnd">First byte after that.</param>
    internal static ulong Place(GuestMemory memory, ImageSource initrd, ulong lastAddress, ulong kernelStart, ulong kernelEnd)
    {
        ulong length = (ulong)initrd.LengthBytes;
        ulong top = Math.Min(memory.LowBytes, lastAddress == ulong.MaxValue ? lastAddress : lastAddress + 1);
        if (TryFit(top, length, Math.Max(kernelEnd, BootLayout.HighRamStart), out ulong above)) return above;
        if (TryFit(Math.Min(top, kernelStart), length, BootLayout.HighRamStart, out ulong below)) return below;
        throw new ConfigException(
            $"The initrd {initrd.Name} ({Mebibytes(length)} MiB) does not fit beside the kernel into {Mebibytes(memory.LengthBytes)} MiB of guest memory; give the guest more with --memory.");
    }

    /// <summary>Rounds up to whole mebibytes, for messages.</summary>
    internal static ulong Mebibytes(ulong bytes) => (bytes >> 20) + ((bytes & 0xfffff) != 0 ? 1UL : 0);

    private static bool TryFit(ulong top, ulong length, ulong bottom, out ulong address)
    {
        address = 0;
        if (length > top) return false;
        address = (top - length) & ~PageMask;
        return address >= bottom;
    }
}
