namespace Hutch.Block.Formats.Qcow2;

/// <summary>What must happen before a step on metadata can be taken.</summary>
internal enum MetadataMissKind
{
    /// <summary>A slice of an L2 table must be read.</summary>
    L2Slice,

    /// <summary>A slice of a refcount block must be read.</summary>
    RefcountSlice,

    /// <summary>The header must say that refcounts may be behind (lazy refcounts).</summary>
    DirtyMark,

    /// <summary>A new L2 table must be on disk first, with its refcount (lazy refcounts).</summary>
    StoredTable,

    /// <summary>Clusters that were given up must become free first.</summary>
    Reclaim,
}

/// <summary>
/// Why a step could not be taken. Steps on metadata touch memory only and are whole or not taken at all; where one lacks something it says so here
/// and is taken again when that is there. Under the owner's lock.
/// </summary>
internal sealed class MetadataMiss
{
    /// <summary>What is missing.</summary>
    internal MetadataMissKind Kind { get; private set; }

    /// <summary>Of a slice, which.</summary>
    internal long Key { get; private set; }

    /// <summary>Notes what is missing. Always false, for the caller to return.</summary>
    internal bool Set(MetadataMissKind kind, long key)
    {
        (Kind, Key) = (kind, key);
        return false;
    }
}
