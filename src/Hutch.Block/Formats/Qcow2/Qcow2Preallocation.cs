using System;
using System.Threading.Tasks;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Finds out whether an image's clusters were taken ahead of writes, so that a cluster with a place need not have data.</summary>
internal static class Qcow2Preallocation
{
    /// <summary>Whether clearly more clusters are in use than the file takes storage. The comparison is QEMU's, so that maps show the same.</summary>
    internal static async ValueTask<bool> IsPreallocatedAsync(Qcow2Metadata metadata)
    {
        if (metadata.DataFile is not null || metadata.File.AllocatedBytes is not { } bytes) return false;
        long stored = bytes >> metadata.Geometry.ClusterBits, threshold = Math.Max(stored * 10 / 9, stored + 2), used = 0, ignored = 0;
        long end = metadata.Geometry.ClustersFor(metadata.File.LengthBytes);
        for (long at = 0; at < end && used < threshold;)
        {
            await metadata.TakeAsync(() => TryPass(metadata.Refcounts, ref at, end, free: false, ref used)).ConfigureAwait(false);
            await metadata.TakeAsync(() => TryPass(metadata.Refcounts, ref at, end, free: true, ref ignored)).ConfigureAwait(false);
        }
        return used >= threshold;
    }

    private static bool TryPass(Refcounts refcounts, ref long at, long end, bool free, ref long passed)
    {
        bool whole = refcounts.TryCountRun(at, end - at, free, out long count);
        at += count;
        passed += count;
        return whole;
    }
}
