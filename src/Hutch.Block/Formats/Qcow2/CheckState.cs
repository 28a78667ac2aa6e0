using System;
using System.Globalization;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>What a check works with and has found.</summary>
internal sealed class CheckState(Qcow2Metadata metadata, ImageRepair repair, Action<string> report)
{
    /// <summary>The image.</summary>
    internal Qcow2Metadata Metadata => metadata;

    /// <summary>Sizes.</summary>
    internal Qcow2Geometry Geometry => metadata.Geometry;

    /// <summary>References that were counted.</summary>
    internal ReferenceCounts References { get; } = new();

    /// <summary>Wrong metadata may be mended.</summary>
    internal bool MendsErrors => (repair & ImageRepair.Errors) != 0;

    /// <summary>Leaks may be mended.</summary>
    internal bool MendsLeaks => (repair & ImageRepair.Leaks) != 0;

    /// <summary>What was found. Fields count as in <see cref="ImageCheckResult"/>.</summary>
    internal long Corruptions, Leaks, CheckErrors, CorruptionsFixed, LeaksFixed, Allocated, Fragmented, Compressed;

    /// <summary>The refcount structure cannot be mended in place.</summary>
    internal bool MustRebuild;

    /// <summary>The last cluster in use.</summary>
    internal long HighestCluster;

    /// <summary>Tells the operator something.</summary>
    internal void Say(FormattableString text) => report(text.ToString(CultureInfo.InvariantCulture));

    /// <summary>Tells of wrong metadata and counts it.</summary>
    internal void Corrupt(FormattableString text)
    {
        Say(text);
        Corruptions++;
    }

    /// <summary>Counts a reference to all clusters of a range.</summary>
    internal void Refer(long offset, long lengthBytes)
    {
        if (lengthBytes <= 0) return;
        // The last cluster of an image may be there in part only.
        if (offset < 0 || offset > long.MaxValue - lengthBytes || offset + lengthBytes - metadata.File.LengthBytes >= Geometry.ClusterBytes)
        {
            Corrupt($"ERROR: counting reference for region exceeding the end of the file by one cluster or more: offset 0x{offset:x} size 0x{lengthBytes:x}");
            return;
        }
        long first = offset >> Geometry.ClusterBits, last = (offset + lengthBytes - 1) >> Geometry.ClusterBits;
        References.Grow(last + 1);
        ulong max = metadata.Refcounts.Max;
        for (long cluster = first; cluster <= last; cluster++)
        {
            if (References.TryAdd(cluster, max)) continue;
            Corrupt($"ERROR: overflow cluster offset=0x{cluster << Geometry.ClusterBits:x}");
            Say($"Use qemu-img amend to increase the refcount entry width or qemu-img convert to create a clean copy if the image cannot be opened for writing");
        }
    }

    /// <summary>The result.</summary>
    internal ImageCheckResult ToResult() => new()
    {
        Corruptions = Corruptions,
        Leaks = Leaks,
        CheckErrors = CheckErrors,
        CorruptionsFixed = CorruptionsFixed,
        LeaksFixed = LeaksFixed,
        ImageEndOffset = (HighestCluster + 1) << Geometry.ClusterBits,
        TotalClusters = Geometry.ClustersFor(metadata.Header.LengthBytes),
        AllocatedClusters = Allocated,
        FragmentedClusters = Fragmented,
        CompressedClusters = Compressed,
    };
}
