using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Giving clusters back after a commit, and growing the file.</summary>
internal sealed partial class Qcow2Metadata
{
    private const long MinGrowBytes = 1 << 20, MaxGrowBytes = 64 << 20;

    private readonly SemaphoreSlim _growGate = new(1, 1);
    private long _grownTo;
    private bool _cannotGrow, _grew;

    /// <summary>
    /// Makes the file reach <paramref name="end"/>, in large steps: a write inside a file is much cheaper than one that makes it longer. Storage
    /// that cannot be grown by itself is left to grow with its writes.
    /// </summary>
    internal ValueTask GrowFileAsync(long end) => end <= Volatile.Read(ref _grownTo) || _cannotGrow ? ValueTask.CompletedTask : GrowSlowlyAsync(end);

    /// <summary>Cuts what growing in steps has put behind the last used cluster. No request may be in flight.</summary>
    internal async ValueTask TrimFileAsync()
    {
        long end = Math.Max(Allocator.FreshFrom << Geometry.ClusterBits, 0);
        if (_grew && end < File.LengthBytes) await File.ResizeAsync(end, Preallocation.Off, CancellationToken.None).ConfigureAwait(false);
        _grew = false;
        Volatile.Write(ref _grownTo, File.LengthBytes);
    }

    /// <summary>The file was cut to this many clusters.</summary>
    internal void NoteCut(long clusters)
    {
        lock (Sync) Allocator.FreshFrom = clusters;
        _grew = false;
        Volatile.Write(ref _grownTo, File.LengthBytes);
    }

    private async ValueTask GrowSlowlyAsync(long end)
    {
        await _growGate.WaitAsync().ConfigureAwait(false);
        try
        {
            if (end <= _grownTo || _cannotGrow) return;
            long step = Math.Clamp(_grownTo / 4, MinGrowBytes, MaxGrowBytes), target = checked(end + step) & ~(MinGrowBytes - 1);
            await File.ResizeAsync(target, Preallocation.Off, CancellationToken.None).ConfigureAwait(false);
            _grew = true;
            Volatile.Write(ref _grownTo, target);
        }
        catch (BlockIoException)
        {
            // A device, or a file system that is full: the write that needs the place says so.
            _cannotGrow = true;
        }
        finally
        {
            _growGate.Release();
        }
    }

    private void StartReclaim(List<PendingFree> frees) => Volatile.Write(ref _reclaiming, ReclaimAsync(_reclaiming, frees));

    // One at a time, in the order of commits; never fails: clusters that cannot be freed leak.
    private async Task ReclaimAsync(Task before, List<PendingFree> frees)
    {
        await before.ConfigureAwait(false);
        int epoch;
        lock (Sync) epoch = Epochs.Advance();
        await Epochs.WaitAsync(epoch).ConfigureAwait(false);
        try
        {
            foreach (PendingFree free in frees) await ReclaimAsync(free).ConfigureAwait(false);
        }
        catch (BlockIoException e)
        {
            _report?.Invoke($"\"{File.Filename}\": clusters could not be freed and are leaked: {e.Message}");
        }
        catch (Qcow2CorruptException e)
        {
            _ = await SignalCorruptionAsync(e).ConfigureAwait(false);
        }
    }

    private async ValueTask ReclaimAsync(PendingFree free)
    {
        long at = free.First, end = free.First + free.Count;
        while (at < end)
        {
            long runStart = at;
            bool missed;
            MetadataMissKind kind;
            long key;
            lock (Sync)
            {
                // A run of clusters whose only reference this was: nobody can take them before their refcount is 0, so their space can go meanwhile.
                ulong refcount = 0;
                missed = false;
                while (at < end && !(missed = !Refcounts.TryGet(at, out refcount)) && refcount == 1) Allocator.ForgetBytesIn(at++);
                (kind, key) = (Miss.Kind, Miss.Key);
            }
            if (at != runStart)
            {
                if (Settings.PassesDiscard(free.Reason)) await DiscardAsync(runStart, at - runStart).ConfigureAwait(false);
                for (long cluster = runStart; cluster < at; cluster++) await DropAsync(cluster).ConfigureAwait(false);
            }
            else if (missed)
            {
                await ResolveAsync(kind, key).ConfigureAwait(false);
            }
            else
            {
                await DropAsync(at++).ConfigureAwait(false);
            }
        }
    }

    // Takes one reference away.
    private async ValueTask DropAsync(long cluster)
    {
        while (true)
        {
            MetadataMissKind kind;
            long key;
            lock (Sync)
            {
                if (Refcounts.TryChange(cluster, -1, out ulong now))
                {
                    if (now == 0) Allocator.NoteFree(cluster);
                    return;
                }
                (kind, key) = (Miss.Kind, Miss.Key);
            }
            await ResolveAsync(kind, key).ConfigureAwait(false);
        }
    }

    /// <summary>Gives clusters that hold guest data back to the storage, as far as the file reaches.</summary>
    internal async ValueTask DiscardAsync(long first, long count)
    {
        BlockNode node = DataNode;
        long offset = first << Geometry.ClusterBits, length = Math.Min(count << Geometry.ClusterBits, node.LengthBytes - offset);
        if (length <= 0 || !node.Limits.CanDiscard) return;
        try
        {
            await node.DiscardAsync(offset, length, CancellationToken.None).ConfigureAwait(false);
        }
        catch (BlockIoException)
        {
            // A hint that storage did not take.
        }
    }
}
