using System;
using System.Collections.Generic;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>A copy of all metadata that changed until one moment, on its way to disk.</summary>
internal sealed class MetadataCommit(Qcow2Geometry geometry, List<PendingFree> frees) : IDisposable
{
    /// <summary>Refcounts, and slices of tables that nothing on disk names yet.</summary>
    internal MetadataWrites Early { get; } = new(geometry.SliceBytes);

    /// <summary>Entries of the refcount table for new blocks.</summary>
    internal MetadataWrites TableEntries { get; } = new(geometry.SliceBytes);

    /// <summary>L2 and L1 entries.</summary>
    internal MetadataWrites Late { get; } = new(geometry.SliceBytes);

    /// <summary>Where the refcount table lies from now on; null where it stays.</summary>
    internal Qcow2Range? Table { get; set; }

    /// <summary>New tables, and whether the file has something else there.</summary>
    internal List<(long Offset, bool NeedsZeroing)> NewTables { get; set; } = [];

    /// <summary>L2 slices in this commit.</summary>
    internal List<CachedSlice> L2Slices { get; set; } = [];

    /// <summary>Refcount slices in this commit.</summary>
    internal List<CachedSlice> RefcountSlices { get; set; } = [];

    /// <summary>Changed L1 entries.</summary>
    internal List<long> L1Entries { get; set; } = [];

    /// <summary>Changed entries of the refcount table.</summary>
    internal List<long> RefcountEntries { get; set; } = [];

    /// <summary>Clusters that nothing names any more once this is durable.</summary>
    internal List<PendingFree> Frees { get; } = frees;

    /// <summary>The file reaches so far at least, so that all that metadata names lies in it.</summary>
    internal long FileEnd { get; set; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Early.Dispose();
        TableEntries.Dispose();
        Late.Dispose();
    }
}
