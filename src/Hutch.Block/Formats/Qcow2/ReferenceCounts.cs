using System.Collections.Generic;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// Counts of references to clusters, for a check: a byte each, in pages that are made when something is counted, and the few larger ones apart. A terabyte of
/// 64 KiB clusters takes 16 MiB.
/// </summary>
internal sealed class ReferenceCounts
{
    private const int PageBits = 16, Large = byte.MaxValue;

    private readonly Dictionary<long, ulong> _large = [];
    private byte[]?[] _pages = [];

    /// <summary>Clusters that can be counted; more become known as they are needed.</summary>
    internal long Clusters { get; private set; }

    /// <summary>Makes room for clusters; counts begin at 0.</summary>
    internal void Grow(long clusters)
    {
        if (clusters <= Clusters) return;
        Clusters = clusters;
        long pages = (clusters + (1 << PageBits) - 1) >> PageBits;
        if (pages > _pages.Length) System.Array.Resize(ref _pages, (int)pages);
    }

    /// <summary>A cluster's count.</summary>
    internal ulong Get(long cluster)
    {
        if (cluster >= Clusters || _pages[cluster >> PageBits] is not { } page) return 0;
        byte count = page[cluster & ((1 << PageBits) - 1)];
        return count < Large ? count : _large[cluster];
    }

    /// <summary>Sets a cluster's count.</summary>
    internal void Set(long cluster, ulong count)
    {
        byte[] page = _pages[cluster >> PageBits] ??= new byte[1 << PageBits];
        ref byte place = ref page[cluster & ((1 << PageBits) - 1)];
        if (place == Large) _ = _large.Remove(cluster);
        if (count >= Large) _large[cluster] = count;
        place = count < Large ? (byte)count : (byte)Large;
    }

    /// <summary>Counts one more, unless there are <paramref name="max"/>.</summary>
    internal bool TryAdd(long cluster, ulong max)
    {
        byte[] page = _pages[cluster >> PageBits] ??= new byte[1 << PageBits];
        ref byte place = ref page[cluster & ((1 << PageBits) - 1)];
        if (place < Large - 1 && place < max)
        {
            place++;
            return true;
        }
        ulong now = Get(cluster);
        if (now >= max) return false;
        Set(cluster, now + 1);
        return true;
    }

    /// <summary>All pages of a range of clusters are empty, so that all counts are 0.</summary>
    internal bool IsEmpty(long first, long count)
    {
        for (long page = first >> PageBits; page <= (first + count - 1) >> PageBits && page < _pages.Length; page++)
            if (_pages[page] is not null) return false;
        return true;
    }

    /// <summary>Forgets all counts.</summary>
    internal void Clear()
    {
        System.Array.Clear(_pages);
        _large.Clear();
    }
}
