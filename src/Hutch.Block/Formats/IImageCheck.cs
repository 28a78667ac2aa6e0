using System;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Formats;

/// <summary>Checks an image's metadata.</summary>
public interface IImageCheck
{
    /// <summary>Examines and, if asked, repairs. Messages ("ERROR cluster 7 refcount=1 reference=2") go to <paramref name="report"/> as they are found.</summary>
    ValueTask<ImageCheckResult> CheckAsync(ImageRepair repair, Action<string> report, CancellationToken cancellation);
}

/// <summary>What a check may mend.</summary>
[Flags]
public enum ImageRepair
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Space that nobody uses.</summary>
    Leaks = 1,

    /// <summary>Wrong metadata.</summary>
    Errors = 2,
}

/// <summary>What a check found; counts of clusters or entries.</summary>
public sealed record ImageCheckResult
{
    /// <summary>Wrong metadata that remains.</summary>
    public long Corruptions { get; init; }

    /// <summary>Leaked clusters that remain.</summary>
    public long Leaks { get; init; }

    /// <summary>Errors for which the check could not be finished.</summary>
    public long CheckErrors { get; init; }

    /// <summary>Mended.</summary>
    public long CorruptionsFixed { get; init; }

    /// <summary>Given back.</summary>
    public long LeaksFixed { get; init; }

    /// <summary>Behind the last used cluster, in bytes; 0 where unknown.</summary>
    public long ImageEndOffset { get; init; }

    /// <summary>Clusters that the virtual disk has.</summary>
    public long TotalClusters { get; init; }

    /// <summary>Of these, with a place.</summary>
    public long AllocatedClusters { get; init; }

    /// <summary>Of these, not behind their neighbour.</summary>
    public long FragmentedClusters { get; init; }

    /// <summary>Of these, compressed.</summary>
    public long CompressedClusters { get; init; }
}
