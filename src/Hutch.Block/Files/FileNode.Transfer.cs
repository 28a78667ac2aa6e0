using System;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.DiskIo;
using Hutch.Host.Files;
using Hutch.Host.Linux;

namespace Hutch.Block.Files;

// Reading and writing. Direct requests that are not aligned go through a buffer; writes of that kind read the blocks that they change in part, and
// every direct write takes its blocks for itself meanwhile.
internal sealed partial class FileNode
{
    // A longer write into the page cache is worth a hop to another thread: the caller can go on.
    private const int LongestInlineWriteBytes = 256 * 1024;

    private const int BounceBytes = 1 << 20, SmallBounceBytes = 64 * 1024;

    private readonly RangeLocks _ranges = new();
    private readonly bool _isDirect;
    private NativeBuffer? _spareBounce;

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        long length = destination.LengthBytes;
        CheckReach(offset, length);
        cancellation.ThrowIfCancellationRequested();
        if (length == 0) return ValueTask.CompletedTask;
        if (_isDirect)
        {
            return IsAligned(offset, destination)
                ? _engine.Transfer(this, _file, new DiskWork(DiskOperation.Read, offset, length, 0), destination.Segments)
                : ReadBouncedAsync(offset, destination);
        }
        if (_inMemory) return ReadHere(offset, destination);
        long done = _file.ReadCached(offset, destination.Segments);
        return done == length
            ? ValueTask.CompletedTask
            : _engine.Transfer(this, _file, new DiskWork(DiskOperation.Read, offset, length, 0), destination.Segments, done);
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        long length = source.LengthBytes;
        CheckWritable(offset, length);
        cancellation.ThrowIfCancellationRequested();
        if (length == 0) return ValueTask.CompletedTask;
        bool durable = IsDurable(flags);
        if (_isDirect) return WriteDirect(offset, source, durable);
        if (!durable && (_inMemory || length <= LongestInlineWriteBytes)) return WriteHere(offset, source);
        return _engine.Transfer(this, _file, new DiskWork(durable ? DiskOperation.DurableWrite : DiskOperation.Write, offset, length, 0), source.Segments);
    }

    private bool IsDurable(WriteFlags flags) => _flushes && (_durableWrites || (flags & WriteFlags.Durable) != 0);

    private ValueTask ReadHere(long offset, IoVector destination)
    {
        try
        {
            _file.ReadFully(offset, destination.Segments);
        }
        catch (LinuxException e)
        {
            throw Failed(e, DiskOperation.Read);
        }
        return ValueTask.CompletedTask;
    }

    private ValueTask WriteHere(long offset, IoVector source)
    {
        try
        {
            _file.WriteFully(offset, source.Segments);
        }
        catch (LinuxException e)
        {
            throw Failed(e, DiskOperation.Write);
        }
        Written(offset + source.LengthBytes);
        return ValueTask.CompletedTask;
    }

    private bool IsAligned(long offset, IoVector vector)
    {
        DirectAlignment alignment = _file.DirectAlignment;
        if (((offset | vector.LengthBytes) & (alignment.OffsetBytes - 1)) != 0) return false;
        foreach (IoSegment segment in vector.Segments)
            if ((segment.Address & (alignment.MemoryBytes - 1)) != 0 || (segment.LengthBytes & (alignment.OffsetBytes - 1)) != 0) return false;
        return true;
    }

    private ValueTask WriteDirect(long offset, IoVector source, bool durable)
    {
        int ticket = IsAligned(offset, source) ? _ranges.TryAcquire(offset, source.LengthBytes) : -1;
        // The range is given up when the request ends.
        return ticket < 0 ? WriteBouncedAsync(offset, source, durable) : _engine.Transfer(this, _file, WriteWork(offset, source.LengthBytes, durable, ticket + 1), source.Segments);
    }

    private static DiskWork WriteWork(long offset, long length, bool durable, int tag) =>
        new(durable ? DiskOperation.DurableWrite : DiskOperation.Write, offset, length, tag);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ReadBouncedAsync(long offset, IoVector destination)
    {
        int block = _file.DirectAlignment.OffsetBytes;
        long end = offset + destination.LengthBytes, at = offset;
        NativeBuffer buffer = TakeBounce(RoundUp(end, block) - RoundDown(offset, block));
        try
        {
            while (at < end)
            {
                long start = RoundDown(at, block);
                int length = (int)Math.Min(buffer.LengthBytes, RoundUp(end, block) - start);
                await _engine.Transfer(this, _file, new DiskWork(DiskOperation.Read, start, length, 0), [buffer.Segment(0, length)]).ConfigureAwait(false);
                int skip = (int)(at - start), wanted = (int)Math.Min(length - skip, end - at);
                destination.Slice(at - offset, wanted).CopyFrom(buffer.Span.Slice(skip, wanted));
                at += wanted;
            }
        }
        finally
        {
            GiveBounce(buffer);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask WriteBouncedAsync(long offset, IoVector source, bool durable)
    {
        int block = _file.DirectAlignment.OffsetBytes;
        long end = offset + source.LengthBytes, start = RoundDown(offset, block), stop = RoundUp(end, block);
        // Where the last block reaches over the end, the file is cut to its length afterwards, and nobody may make it longer meanwhile.
        bool cuts = stop != end && _file.Kind == DiskFileKind.Regular && stop > LengthBytes;
        int ticket = await _ranges.AcquireAsync(start, cuts ? long.MaxValue - start : stop - start).ConfigureAwait(false);
        NativeBuffer buffer = TakeBounce(stop - start);
        try
        {
            long lengthBefore = LengthBytes;
            for (long at = start; at < stop;)
            {
                int length = (int)Math.Min(buffer.LengthBytes, stop - at);
                if (at < offset) await ReadBlockAsync(buffer, at, 0).ConfigureAwait(false);
                // One block may be both the first and the last.
                if (at + length > end && (length > block || at >= offset)) await ReadBlockAsync(buffer, at + length - block, length - block).ConfigureAwait(false);
                long from = Math.Max(at, offset), to = Math.Min(at + length, end);
                source.Slice(from - offset, to - from).CopyTo(buffer.Span[(int)(from - at)..(int)(to - at)]);
                await _engine.Transfer(this, _file, WriteWork(at, length, durable, 0), [buffer.Segment(0, length)]).ConfigureAwait(false);
                at += length;
            }
            if (cuts && Math.Max(end, lengthBefore) < stop) SetLength(Math.Max(end, lengthBefore));
        }
        finally
        {
            GiveBounce(buffer);
            _ranges.Release(ticket);
        }
    }

    private ValueTask ReadBlockAsync(NativeBuffer buffer, long offset, int place)
    {
        int block = _file.DirectAlignment.OffsetBytes;
        return _engine.Transfer(this, _file, new DiskWork(DiskOperation.Read, offset, block, 0), [buffer.Segment(place, block)]);
    }

    private NativeBuffer TakeBounce(long lengthBytes) =>
        lengthBytes > SmallBounceBytes
            ? new NativeBuffer((int)Math.Min(lengthBytes, BounceBytes))
            : Interlocked.Exchange(ref _spareBounce, null) ?? new NativeBuffer(SmallBounceBytes);

    private void GiveBounce(NativeBuffer buffer)
    {
        if (buffer.LengthBytes != SmallBounceBytes || Interlocked.CompareExchange(ref _spareBounce, buffer, null) is not null) buffer.Dispose();
    }

    private static long RoundDown(long offset, int block) => offset & -(long)block;

    private static long RoundUp(long offset, int block) => (offset + block - 1) & -(long)block;
}
