using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// Writes to the disk. A write that only meets clusters of its own is one request to the storage. Otherwise each part takes its clusters in one step,
/// writes data and what surrounds it outside the lock, and links the clusters in another step.
/// </summary>
internal sealed class Qcow2Writer(Qcow2Guest guest, Qcow2Reader reader, CompressedClusters compressed)
{
    private const int EncryptChunkBytes = 1 << 20;

    private readonly Qcow2Metadata _metadata = guest.Metadata;
    private readonly WritePlanner _planner = new(guest.Metadata);

    /// <summary>Decides and links.</summary>
    internal WritePlanner Planner => _planner;

    /// <summary>Writes <paramref name="source"/>.</summary>
    internal ValueTask WriteAsync(long offset, IoVector source, CancellationToken cancellation)
    {
        _metadata.CheckWritable();
        bool planned;
        WriteStep step;
        (MetadataMissKind, long) miss;
        try
        {
            lock (_metadata.Sync)
            {
                planned = _planner.TryPlan(offset, source.LengthBytes, out step);
                miss = (_metadata.Miss.Kind, _metadata.Miss.Key);
            }
        }
        catch (Qcow2CorruptException e)
        {
            return _metadata.FailAsync(e);
        }
        if (planned && step.Plan is null && step.LengthBytes == source.LengthBytes && guest.Cipher is null)
        {
            bool pending = false;
            try
            {
                ValueTask write = _metadata.DataNode.WriteAsync(step.HostOffset, source, WriteFlags.None, cancellation);
                pending = !write.IsCompletedSuccessfully;
                return pending ? guest.EndAsync(write, step.Epoch) : ValueTask.CompletedTask;
            }
            finally
            {
                if (!pending) _metadata.Epochs.Exit(step.Epoch);
            }
        }
        return WriteGuardedAsync(offset, source, planned, step, miss, cancellation);
    }

    /// <summary>
    /// Writes one whole cluster, or the part of it that the disk has, compressed; as it is where that makes it no smaller.
    /// </summary>
    internal async ValueTask WriteCompressedAsync(long offset, IoVector source, CancellationToken cancellation)
    {
        _metadata.CheckWritable();
        int cluster = _metadata.Geometry.ClusterBytes;
        NativeBuffer plain = guest.Buffers.Rent(cluster), packed = guest.Buffers.Rent(cluster);
        try
        {
            plain.Span[(int)source.LengthBytes..cluster].Clear();
            source.CopyTo(plain.Span);
            int length = compressed.Compress(plain.Span[..cluster], packed.Span);
            if (length < 0)
            {
                await WriteAsync(offset, source, cancellation).ConfigureAwait(false);
                return;
            }
            await PlaceCompressedAsync(offset, new IoVector(new[] { packed.Segment(0, length) }), cancellation).ConfigureAwait(false);
        }
        finally
        {
            guest.Buffers.Return(plain);
            guest.Buffers.Return(packed);
        }
    }

    /// <summary>Stores the compressed data of one cluster.</summary>
    internal async ValueTask PlaceCompressedAsync(long offset, IoVector data, CancellationToken cancellation)
    {
        _metadata.CheckWritable();
        try
        {
            await PlaceAsync(offset, data).ConfigureAwait(false);
            if (_metadata.WantsCommit) await _metadata.CommitAsync(cancellation).ConfigureAwait(false);
        }
        catch (Qcow2CorruptException e)
        {
            throw await _metadata.SignalCorruptionAsync(e).ConfigureAwait(false);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask WriteGuardedAsync(long offset, IoVector source, bool planned, WriteStep step, (MetadataMissKind Kind, long Key) miss, CancellationToken cancellation)
    {
        try
        {
            await WriteStepsAsync(offset, source, planned, step, miss, cancellation).ConfigureAwait(false);
            if (_metadata.WantsCommit) await _metadata.CommitAsync(cancellation).ConfigureAwait(false);
        }
        catch (Qcow2CorruptException e)
        {
            throw await _metadata.SignalCorruptionAsync(e).ConfigureAwait(false);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask WriteStepsAsync(long offset, IoVector source, bool planned, WriteStep step, (MetadataMissKind Kind, long Key) miss, CancellationToken cancellation)
    {
        long done = 0, length = source.LengthBytes;
        while (true)
        {
            if (!planned)
            {
                await _metadata.ResolveAsync(miss.Kind, miss.Key).ConfigureAwait(false);
            }
            else if (step.WaitFor is { } other)
            {
                Task ended;
                lock (_metadata.Sync) ended = other.Ended;
                await ended.ConfigureAwait(false);
            }
            else
            {
                await DoStepAsync(offset + done, source.Slice(done, step.LengthBytes), step, cancellation).ConfigureAwait(false);
                done += step.LengthBytes;
                if (done == length) return;
            }
            lock (_metadata.Sync)
            {
                planned = _planner.TryPlan(offset + done, length - done, out step);
                miss = (_metadata.Miss.Kind, _metadata.Miss.Key);
            }
        }
    }

    private async ValueTask DoStepAsync(long offset, IoVector source, WriteStep step, CancellationToken cancellation)
    {
        bool linked = step.Plan is null;
        try
        {
            if (step.Plan is not { } plan)
            {
                await WriteDataAsync(offset, step.HostOffset, source, cancellation).ConfigureAwait(false);
                return;
            }
            // From here on a cancelled request would only be work for nothing.
            await FillAsync(plan, source).ConfigureAwait(false);
            await LinkAsync(plan).ConfigureAwait(false);
            linked = true;
        }
        finally
        {
            if (!linked)
                lock (_metadata.Sync) _planner.Abandon(step.Plan!);
            _metadata.Epochs.Exit(step.Epoch);
        }
    }

    private async ValueTask LinkAsync(WritePlan plan)
    {
        while (true)
        {
            MetadataMissKind kind;
            long key;
            lock (_metadata.Sync)
            {
                if (_planner.TryLink(plan)) return;
                (kind, key) = (_metadata.Miss.Kind, _metadata.Miss.Key);
            }
            await _metadata.ResolveAsync(kind, key).ConfigureAwait(false);
        }
    }

    // Writes a plan's data with what must surround it, as one request where the memory allows.
    private async ValueTask FillAsync(WritePlan plan, IoVector source)
    {
        int clusterBits = _metadata.Geometry.ClusterBits;
        if (plan.IsNew && _metadata.DataFile is null) await _metadata.GrowFileAsync(plan.HostOffset + (plan.Part.Count << clusterBits)).ConfigureAwait(false);
        long head = plan.WriteStart - plan.CopyStart, tail = plan.CopyEnd - plan.WriteEnd;
        if (plan.IsFresh && guest.Cipher is null)
        {
            if (head != 0 && await IsZeroAsync(plan.CopyStart, head).ConfigureAwait(false)) head = 0;
            if (tail != 0 && await IsZeroAsync(plan.WriteEnd, tail).ConfigureAwait(false)) tail = 0;
        }
        if (head == 0 && tail == 0)
        {
            await WriteDataAsync(plan.WriteStart, plan.HostOf(plan.WriteStart, clusterBits), source, CancellationToken.None).ConfigureAwait(false);
            return;
        }
        NativeBuffer around = guest.Buffers.Rent(head + tail);
        try
        {
            List<IoSegment> segments = new(source.Segments.Length + 2);
            if (head != 0)
            {
                IoSegment before = around.Segment(0, (int)head);
                await ReadOldAsync(plan.WriteStart - head, before).ConfigureAwait(false);
                segments.Add(before);
            }
            segments.AddRange(source.Segments);
            if (tail != 0)
            {
                IoSegment behind = around.Segment((int)head, (int)tail);
                await ReadOldAsync(plan.WriteEnd, behind).ConfigureAwait(false);
                segments.Add(behind);
            }
            long start = plan.WriteStart - head;
            await WriteDataAsync(start, plan.HostOf(start, clusterBits), new IoVector(segments.ToArray()), CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            guest.Buffers.Return(around);
        }
    }

    private ValueTask ReadOldAsync(long offset, IoSegment into) => reader.ReadAsync(offset, new IoVector(new[] { into }), CancellationToken.None);

    /// <summary>Whether a range reads as zeros as far as the mapping says. A backing image is asked too.</summary>
    internal async ValueTask<bool> IsZeroAsync(long offset, long lengthBytes)
    {
        while (lengthBytes != 0)
        {
            bool found;
            GuestRun run;
            MetadataMissKind kind;
            long key;
            lock (_metadata.Sync)
            {
                found = _metadata.L2.TryLookup(offset, lengthBytes, out run);
                (kind, key) = (_metadata.Miss.Kind, _metadata.Miss.Key);
            }
            if (!found)
            {
                await _metadata.ResolveAsync(kind, key).ConfigureAwait(false);
                continue;
            }
            if (run.Kind is SubclusterKind.Unallocated or SubclusterKind.UnallocatedInPlace)
            {
                // A backing image that is not open may have anything.
                if (guest.Backing is null && _metadata.Header.BackingName is not null) return false;
                if (guest.Backing is { } backing && !await IsZeroBelowAsync(backing, offset, run.LengthBytes).ConfigureAwait(false)) return false;
            }
            else if (run.Kind is not (SubclusterKind.Zero or SubclusterKind.ZeroInPlace))
            {
                return false;
            }
            offset += run.LengthBytes;
            lengthBytes -= run.LengthBytes;
        }
        return true;
    }

    /// <summary>Whether a range of a backing image, and of what is below it, reads as zeros for sure.</summary>
    internal static async ValueTask<bool> IsZeroBelowAsync(BlockNode node, long offset, long lengthBytes)
    {
        long end = Math.Min(offset + lengthBytes, node.LengthBytes);
        while (offset < end)
        {
            BlockExtent extent = await node.GetExtentAsync(offset, end - offset, CancellationToken.None).ConfigureAwait(false);
            if (extent.Kind == BlockExtentKind.Data) return false;
            if (extent.Kind == BlockExtentKind.Unallocated)
            {
                foreach (BlockEdge edge in node.Children)
                    if (edge.Kind == BlockEdgeKind.Backing && !await IsZeroBelowAsync(edge.Child, offset, extent.LengthBytes).ConfigureAwait(false)) return false;
            }
            offset += extent.LengthBytes;
        }
        return true;
    }

    private ValueTask WriteDataAsync(long offset, long host, IoVector source, CancellationToken cancellation) =>
        guest.Cipher is null ? _metadata.DataNode.WriteAsync(host, source, WriteFlags.None, cancellation) : WriteEncryptedAsync(offset, host, source, cancellation);

    private async ValueTask WriteEncryptedAsync(long offset, long host, IoVector source, CancellationToken cancellation)
    {
        NativeBuffer buffer = guest.Buffers.Rent(Math.Min(source.LengthBytes, EncryptChunkBytes));
        try
        {
            for (long done = 0; done < source.LengthBytes;)
            {
                int chunk = (int)Math.Min(buffer.LengthBytes, source.LengthBytes - done);
                guest.Encrypt(offset + done, host + done, source.Slice(done, chunk), buffer);
                await _metadata.DataNode.WriteAsync(host + done, new IoVector(new[] { buffer.Segment(0, chunk) }), WriteFlags.None, cancellation).ConfigureAwait(false);
                done += chunk;
            }
        }
        finally
        {
            guest.Buffers.Return(buffer);
        }
    }

    private async ValueTask PlaceAsync(long offset, IoVector data)
    {
        int lengthBytes = (int)data.LengthBytes;
        long cluster = offset >> _metadata.Geometry.ClusterBits, host = -1;
        AllocationInFlight? part = null;
        int epoch = 0;
        bool linked = false;
        try
        {
            while (part is null)
            {
                Task? wait = null;
                bool taken = false;
                MetadataMissKind kind;
                long key, count = 1;
                lock (_metadata.Sync)
                {
                    if (_planner.MustWait(cluster, ref count) is { } other)
                    {
                        wait = other.Ended;
                    }
                    else if (_planner.TryBeginChange() && _planner.TryPrepare(offset, out _) && _metadata.Allocator.TryAllocateBytes(lengthBytes, out host))
                    {
                        _metadata.Overlaps.Check(host, lengthBytes);
                        part = _metadata.InFlight.Add(cluster, 1);
                        epoch = _metadata.Epochs.Enter();
                        taken = true;
                    }
                    (kind, key) = (_metadata.Miss.Kind, _metadata.Miss.Key);
                }
                if (wait is not null) await wait.ConfigureAwait(false);
                else if (!taken) await _metadata.ResolveAsync(kind, key).ConfigureAwait(false);
            }
            await _metadata.GrowFileAsync(host + lengthBytes).ConfigureAwait(false);
            await _metadata.File.WriteAsync(host, data, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
            await LinkCompressedAsync(offset, L2Entry.Compressed(_metadata.Geometry, host, lengthBytes)).ConfigureAwait(false);
            linked = true;
        }
        finally
        {
            if (part is not null)
            {
                lock (_metadata.Sync)
                {
                    if (!linked) _planner.Release(L2Entry.Compressed(_metadata.Geometry, host, lengthBytes), FreeReason.Replaced);
                    _metadata.InFlight.End(part);
                }
                _metadata.Epochs.Exit(epoch);
            }
        }
    }

    private async ValueTask LinkCompressedAsync(long offset, L2Entry entry)
    {
        while (true)
        {
            MetadataMissKind kind;
            long key;
            lock (_metadata.Sync)
            {
                if (_metadata.L2.TrySlice(offset, out CachedSlice? slice))
                {
                    int index = _metadata.L2.IndexOf(offset);
                    L2Entry old = _metadata.L2.Get(slice!, index);
                    _metadata.L2.Set(slice!, index, entry);
                    _planner.Release(old, FreeReason.Replaced);
                    return;
                }
                (kind, key) = (_metadata.Miss.Kind, _metadata.Miss.Key);
            }
            await _metadata.ResolveAsync(kind, key).ConfigureAwait(false);
        }
    }
}
