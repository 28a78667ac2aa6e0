using System.Collections.Generic;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>A piece of an L2 table or refcount block in memory, as it is on disk (big-endian).</summary>
internal sealed class CachedSlice
{
    /// <summary>Creates a slice of zeros.</summary>
    internal CachedSlice(long key, byte[] data)
    {
        Key = key;
        Data = data;
    }

    /// <summary>Which slice of all.</summary>
    internal long Key { get; set; }

    /// <summary>Its bytes.</summary>
    internal byte[] Data { get; }

    /// <summary>It was changed after it was last given to a commit.</summary>
    internal bool IsDirty { get; set; }

    /// <summary>A commit is writing it; its bytes in the file cannot be trusted yet.</summary>
    internal bool IsCommitting { get; set; }

    /// <summary>It was used since the hand of the clock last passed.</summary>
    internal bool IsRecent { get; set; }
}

/// <summary>
/// Cache of slices with the clock algorithm. Dirty slices stay; where all are dirty the cache grows, and its owner commits soon. Not thread safe: under the
/// metadata owner's lock.
/// </summary>
internal sealed class SliceCache(int sliceBytes, int capacity)
{
    private readonly Dictionary<long, CachedSlice> _slices = [];
    private readonly List<CachedSlice> _clock = [];
    private CachedSlice? _last;
    private int _hand;

    /// <summary>Slices that were changed and not yet given to a commit.</summary>
    internal List<CachedSlice> Dirty { get; private set; } = [];

    /// <summary>Slices that are kept at least.</summary>
    internal int Capacity => capacity;

    /// <summary>The slice, or null where it is not cached.</summary>
    internal CachedSlice? Find(long key)
    {
        if (_last is { } last && last.Key == key) return last;
        if (!_slices.TryGetValue(key, out CachedSlice? slice)) return null;
        slice.IsRecent = true;
        return _last = slice;
    }

    /// <summary>Makes a slice of zeros; it must not be cached.</summary>
    internal CachedSlice Add(long key)
    {
        CachedSlice slice = _clock.Count < capacity || FindVictim() is not { } victim ? Append(key) : Reuse(victim, key);
        slice.IsRecent = true;
        _slices.Add(key, slice);
        return _last = slice;
    }

    /// <summary>Says that a slice was changed.</summary>
    internal void MarkDirty(CachedSlice slice)
    {
        if (slice.IsDirty) return;
        slice.IsDirty = true;
        Dirty.Add(slice);
    }

    /// <summary>Hands all dirty slices to a commit.</summary>
    internal List<CachedSlice> TakeDirty()
    {
        List<CachedSlice> taken = Dirty;
        foreach (CachedSlice slice in taken) (slice.IsDirty, slice.IsCommitting) = (false, true);
        Dirty = [];
        return taken;
    }

    /// <summary>Ends a commit of slices that <see cref="TakeDirty"/> gave; after a failure they are dirty again.</summary>
    internal void EndCommit(List<CachedSlice> taken, bool failed)
    {
        foreach (CachedSlice slice in taken)
        {
            slice.IsCommitting = false;
            if (failed) MarkDirty(slice);
        }
    }

    /// <summary>Forgets a clean slice: its table is gone.</summary>
    internal void Forget(long key)
    {
        if (!_slices.Remove(key, out CachedSlice? slice)) return;
        if (_last == slice) _last = null;
        // Its place in the ring is taken by whoever comes next.
        (slice.Key, slice.IsRecent) = (-1, false);
    }

    /// <summary>Forgets everything; nothing may be dirty that is still wanted.</summary>
    internal void Clear()
    {
        _slices.Clear();
        _clock.Clear();
        Dirty = [];
        _last = null;
        _hand = 0;
    }

    private CachedSlice Append(long key)
    {
        CachedSlice slice = new(key, new byte[sliceBytes]);
        _clock.Add(slice);
        return slice;
    }

    private CachedSlice Reuse(CachedSlice victim, long key)
    {
        if (victim.Key >= 0) _slices.Remove(victim.Key);
        if (_last == victim) _last = null;
        victim.Key = key;
        System.Array.Clear(victim.Data);
        return victim;
    }

    private CachedSlice? FindVictim()
    {
        for (int looked = 0; looked < 2 * _clock.Count; looked++)
        {
            CachedSlice slice = _clock[_hand];
            _hand = _hand + 1 == _clock.Count ? 0 : _hand + 1;
            if (slice.IsDirty || slice.IsCommitting) continue;
            if (!slice.IsRecent) return slice;
            slice.IsRecent = false;
        }
        return null;
    }
}
