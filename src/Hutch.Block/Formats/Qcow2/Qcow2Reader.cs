using System;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Crypto;
using Hutch.Block.Graph;
using Hutch.Host.DiskIo;
using Hutch.Host.Files;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Reads of the disk.</summary>
internal sealed class Qcow2Reader(Qcow2Guest guest, CompressedClusters compressed)
{
    private readonly Qcow2Metadata _metadata = guest.Metadata;

    /// <summary>Fills <paramref name="destination"/>. One run of data in one place is one request to the storage, with no state of its own.</summary>
    internal ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        bool found;
        GuestRun run;
        int epoch = 0;
        try
        {
            lock (_metadata.Sync)
            {
                found = _metadata.L2.TryLookup(offset, destination.LengthBytes, out run);
                if (found) epoch = _metadata.Epochs.Enter();
            }
        }
        catch (Qcow2CorruptException e)
        {
            return _metadata.FailAsync(e);
        }
        if (found && run.LengthBytes == destination.LengthBytes && run.Kind == SubclusterKind.Data && guest.Cipher is null)
        {
            bool pending = false;
            try
            {
                ValueTask read = _metadata.DataNode.ReadAsync(run.HostOffset, destination, cancellation);
                pending = !read.IsCompletedSuccessfully;
                return pending ? guest.EndAsync(read, epoch) : ValueTask.CompletedTask;
            }
            finally
            {
                if (!pending) _metadata.Epochs.Exit(epoch);
            }
        }
        if (found) _metadata.Epochs.Exit(epoch);
        return ReadRunsAsync(offset, destination, cancellation);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ReadRunsAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        try
        {
            await ReadAllRunsAsync(offset, destination, cancellation).ConfigureAwait(false);
        }
        catch (Qcow2CorruptException e)
        {
            throw await _metadata.SignalCorruptionAsync(e).ConfigureAwait(false);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ReadAllRunsAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        long done = 0, length = destination.LengthBytes;
        while (done < length)
        {
            bool found;
            GuestRun run;
            int epoch = 0;
            MetadataMissKind kind;
            long key;
            lock (_metadata.Sync)
            {
                found = _metadata.L2.TryLookup(offset + done, length - done, out run);
                if (found) epoch = _metadata.Epochs.Enter();
                (kind, key) = (_metadata.Miss.Kind, _metadata.Miss.Key);
            }
            if (!found)
            {
                await _metadata.ResolveAsync(kind, key).ConfigureAwait(false);
                continue;
            }
            try
            {
                await ReadRunAsync(offset + done, run, destination.Slice(done, run.LengthBytes), cancellation).ConfigureAwait(false);
            }
            finally
            {
                _metadata.Epochs.Exit(epoch);
            }
            done += run.LengthBytes;
        }
    }

    private ValueTask ReadRunAsync(long offset, GuestRun run, IoVector destination, CancellationToken cancellation)
    {
        switch (run.Kind)
        {
            case SubclusterKind.Unallocated or SubclusterKind.UnallocatedInPlace:
                return ReadBackingAsync(offset, destination, cancellation);
            case SubclusterKind.Data:
                return guest.Cipher is null ? _metadata.DataNode.ReadAsync(run.HostOffset, destination, cancellation) : ReadEncryptedAsync(offset, run.HostOffset, destination, cancellation);
            case SubclusterKind.Compressed:
                return compressed.ReadAsync(run.Entry, _metadata.Geometry.InCluster(offset), destination, cancellation);
            default:
                destination.Clear();
                return ValueTask.CompletedTask;
        }
    }

    // A backing image may be shorter than the disk: zeros follow it.
    private ValueTask ReadBackingAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        if (guest.Backing is null && _metadata.Header.BackingName is not null && offset < _metadata.Header.LengthBytes)
            throw new BlockIoException($"\"{_metadata.File.Filename}\" has a backing image that is not open: what it shows cannot be read.");
        long there = guest.Backing is { } backing ? Math.Clamp(Math.Min(backing.LengthBytes, _metadata.Header.LengthBytes) - offset, 0, destination.LengthBytes) : 0;
        if (there < destination.LengthBytes) destination.Slice(there, destination.LengthBytes - there).Clear();
        return there == 0 ? ValueTask.CompletedTask : guest.Backing!.ReadAsync(offset, destination.Slice(0, there), cancellation);
    }

    private async ValueTask ReadEncryptedAsync(long offset, long host, IoVector destination, CancellationToken cancellation)
    {
        long done = 0;
        NativeBuffer buffer = guest.Buffers.Rent(Math.Min(destination.LengthBytes, 1 << 20));
        try
        {
            while (done < destination.LengthBytes)
            {
                int chunk = (int)Math.Min(buffer.LengthBytes, destination.LengthBytes - done);
                await _metadata.DataNode.ReadAsync(host + done, new IoVector(new[] { buffer.Segment(0, chunk) }), cancellation).ConfigureAwait(false);
                if (chunk >= SectorRun.LongBytes) await default(PoolThread);
                guest.Decrypt(offset + done, host + done, buffer, destination.Slice(done, chunk));
                done += chunk;
            }
        }
        finally
        {
            guest.Buffers.Return(buffer);
        }
    }
}
