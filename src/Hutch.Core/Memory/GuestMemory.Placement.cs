using System.Collections.Generic;
using Hutch.Host.Memory;
using Hutch.Host.Scheduling;
using Hutch.Host.Vfio;

namespace Hutch.Core.Memory;

/// <summary>Where the host keeps guest RAM. Every method throws <see cref="Hutch.Host.Linux.LinuxException"/> where the host refuses. Any thread.</summary>
public sealed partial class GuestMemory
{
    /// <summary>Has the host take pages from these NUMA nodes. Holds for pages that are not there yet.</summary>
    public void Bind(NumaMode mode, CpuSet nodes) => _region.Bind(mode, nodes, 0, LengthBytes);

    /// <summary>As above, for a part of RAM by its place without the hole: it begins at <paramref name="offset"/>, a multiple of the size of its pages.</summary>
    public void Bind(NumaMode mode, CpuSet nodes, ulong offset, ulong lengthBytes) => _region.Bind(mode, nodes, offset, lengthBytes);

    /// <summary>Takes all pages now, on so many threads at once.</summary>
    public void Populate(int threads) => _region.Populate(threads);

    /// <summary>Keeps all pages in the host's RAM, or lets them be swapped again.</summary>
    public void SetLocked(bool locked)
    {
        if (locked) _region.LockPages();
        else _region.UnlockPages();
    }

    /// <summary>RAM as devices of the host may reach it: where the guest has it, and where this process does.</summary>
    public unsafe IReadOnlyList<DmaRange> DmaRanges => HighBytes == 0
        ? [new DmaRange(0, (nint)_region.Start, LowBytes)]
        : [new DmaRange(0, (nint)_region.Start, LowBytes), new DmaRange(HighMemoryStart, (nint)(_region.Start + LowBytes), HighBytes)];

    /// <summary>From now on the pages stay as they are, because a device of the host has their addresses: nothing gives one back, and clearing writes zeros.</summary>
    public void KeepPages() => _region.KeepPages();

    /// <summary>Lets the host merge pages with equal ones of other programs, or takes them apart again.</summary>
    public void SetMergeable(bool mergeable) => _region.SetMergeable(mergeable, 0, LengthBytes);

    /// <summary>As above, for a part of RAM by its place without the hole.</summary>
    public void SetMergeable(bool mergeable, ulong offset, ulong lengthBytes) => _region.SetMergeable(mergeable, offset, lengthBytes);

    /// <summary>As <see cref="MappedRegion.SetTransparentHugePages"/>, for all RAM.</summary>
    public void SetTransparentHugePages(bool huge) => _region.SetTransparentHugePages(huge, 0, LengthBytes);

    /// <summary>As above, for a part of RAM by its place without the hole.</summary>
    public void SetTransparentHugePages(bool huge, ulong offset, ulong lengthBytes) => _region.SetTransparentHugePages(huge, offset, lengthBytes);
}
