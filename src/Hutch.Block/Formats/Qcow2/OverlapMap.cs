using System.Collections.Generic;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>What metadata a host cluster holds (QEMU's overlap-check sections).</summary>
internal enum OverlapKind
{
    /// <summary>The header.</summary>
    Header,

    /// <summary>The active L1 table.</summary>
    ActiveL1,

    /// <summary>An active L2 table.</summary>
    ActiveL2,

    /// <summary>The refcount table.</summary>
    RefcountTable,

    /// <summary>A refcount block.</summary>
    RefcountBlock,

    /// <summary>The snapshot table.</summary>
    SnapshotTable,

    /// <summary>A snapshot's L1 table.</summary>
    InactiveL1,

    /// <summary>The directory of persistent bitmaps.</summary>
    BitmapDirectory,

    /// <summary>An L2 table that only snapshots have.</summary>
    InactiveL2,

    /// <summary>Bits or the table of a persistent bitmap, where they were written since the image was opened.</summary>
    BitmapData,
}

/// <summary>
/// Which host clusters hold metadata, so that no write for something else lands there: the cheapest protection against a wrong refcount and against our
/// own mistakes. Under the owner's lock.
/// </summary>
/// <param name="geometry">Sizes of the image.</param>
/// <param name="kinds">The kinds that are looked at.</param>
internal sealed class OverlapMap(Qcow2Geometry geometry, OverlapKinds kinds)
{
    private readonly Dictionary<long, OverlapKind> _kinds = [];

    /// <summary>Clusters hold metadata from now on.</summary>
    internal void Add(long first, long count, OverlapKind kind)
    {
        for (long i = 0; i < count; i++) _kinds[first + i] = kind;
    }

    /// <summary>Clusters hold none any more.</summary>
    internal void Remove(long first, long count)
    {
        for (long i = 0; i < count; i++) _kinds.Remove(first + i);
    }

    /// <summary>Forgets everything.</summary>
    internal void Clear() => _kinds.Clear();

    /// <summary>Whether a cluster holds this.</summary>
    internal bool Is(long cluster, OverlapKind kind) => _kinds.TryGetValue(cluster, out OverlapKind known) && known == kind;

    /// <summary>Throws <see cref="Qcow2CorruptException"/> where a range that is about to be written for something else holds metadata.</summary>
    internal void Check(long offset, long lengthBytes)
    {
        for (long cluster = offset >> geometry.ClusterBits; cluster <= (offset + lengthBytes - 1) >> geometry.ClusterBits; cluster++)
        {
            if (_kinds.TryGetValue(cluster, out OverlapKind kind) && kinds.Has(kind))
                throw new Qcow2CorruptException($"Preventing invalid write on metadata (overlaps with {NameOf(kind)})");
        }
    }

    /// <summary>Throws where a range that is about to be written as metadata of one kind is not only of that kind.</summary>
    internal void CheckOnly(long offset, long lengthBytes, OverlapKind expected)
    {
        for (long cluster = offset >> geometry.ClusterBits; cluster <= (offset + lengthBytes - 1) >> geometry.ClusterBits; cluster++)
        {
            if (_kinds.TryGetValue(cluster, out OverlapKind kind) && kind != expected && kinds.Has(kind))
                throw new Qcow2CorruptException($"Preventing invalid write on metadata (overlaps with {NameOf(kind)})");
        }
    }

    private static string NameOf(OverlapKind kind) => kind switch
    {
        OverlapKind.Header => "qcow2_header",
        OverlapKind.ActiveL1 => "active L1 table",
        OverlapKind.ActiveL2 => "active L2 table",
        OverlapKind.RefcountTable => "refcount table",
        OverlapKind.RefcountBlock => "refcount block",
        OverlapKind.SnapshotTable => "snapshot table",
        OverlapKind.InactiveL1 => "inactive L1 table",
        OverlapKind.InactiveL2 => "inactive L2 table",
        OverlapKind.BitmapDirectory => "bitmap directory",
        _ => "bitmap",
    };
}
