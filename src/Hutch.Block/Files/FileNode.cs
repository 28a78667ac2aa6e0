using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.DiskIo;
using Hutch.Host.Files;
using Hutch.Host.Linux;

namespace Hutch.Block.Files;

/// <summary>
/// A file or block device of the host. What need not wait for storage is done on the caller's thread and is complete when the method returns: reads that
/// the page cache can serve, small writes into it. Everything else goes to an engine (<see cref="DiskEngine"/>).
/// <para>Unlike other nodes a file has no end for its users: reads behind it find zeros, writes and zeroes there make it longer.</para>
/// </summary>
internal sealed partial class FileNode : BlockNode, IDiskClient
{
    private readonly FileOpenOptions _options;
    private readonly DiskEngine _engine;
    private readonly bool _inMemory, _durableWrites, _flushes;
    private DiskFile _file;
    private ImageLockMode _lockMode;
    private long _lengthBytes;
    private BlockLimits _limits;

    // Writes that ended, and how many of them the last flush that succeeded covers: without a new one a flush has nothing to do.
    private long _writes, _flushedWrites = -1;
    private volatile BlockIoException? _lostWrites;

    // The name was made by us, and no flush has made it durable yet.
    private volatile bool _isNew;

    private FileNode(DiskFile file, FileOpenOptions options, ImageLockMode lockMode)
    {
        (_file, _options, _lockMode) = (file, options, lockMode);
        _engine = EngineFor(options.Aio, file.Path);
        _inMemory = file.IsInMemory();
        _durableWrites = options.Cache is CacheMode.Writethrough or CacheMode.DirectSync;
        _flushes = options.Cache is not CacheMode.Unsafe;
        // A file system in memory takes direct requests as others.
        _isDirect = IsDirect(options) && !_inMemory;
        if (_isDirect) file.FindDirectAlignment();
        _lengthBytes = file.GetLengthBytes();
        _limits = LimitsFor(options.ReadOnly);
    }

    /// <inheritdoc/>
    public override long LengthBytes => Volatile.Read(ref _lengthBytes);

    /// <inheritdoc/>
    public override bool IsZeroWhenNew => _file.Kind == DiskFileKind.Regular;

    /// <inheritdoc/>
    public override string Filename => _file.Path;

    /// <inheritdoc/>
    public override BlockLimits Limits => _limits;

    /// <inheritdoc/>
    public override long? AllocatedBytes => _file.GetAllocatedBytes();

    /// <inheritdoc/>
    bool IDiskClient.ContinuesInline => _options.ContinuesInline;

    /// <summary>Opens and locks. Throws <see cref="DiskOpenException"/>.</summary>
    internal static FileNode Open(string path, bool readOnly) => Open(path, new FileOpenOptions { ReadOnly = readOnly });

    /// <summary>Opens and locks. Throws <see cref="DiskOpenException"/>.</summary>
    internal static FileNode Open(string path, FileOpenOptions options) => Make(path, options, FileOpening.Open(path, FlagsFor(options)));

    /// <summary>
    /// Makes a file of this length, or empties the one that is there, once nobody else uses it, and opens it for writing. A block device is not changed: it must
    /// be long enough. Throws <see cref="DiskOpenException"/>, and <see cref="BlockIoException"/> where the space cannot be had.
    /// </summary>
    internal static async ValueTask<FileNode> CreateAsync(string path, long lengthBytes, Preallocation preallocation, FileOpenOptions options, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        (DiskFile file, bool isNew) = FileOpening.Create(path, FlagsFor(options with { ReadOnly = false }));
        FileNode? node = null;
        try
        {
            node = Make(path, options with { ReadOnly = false }, file);
            node._isNew = true;
            if (file.Kind == DiskFileKind.Regular && node._lengthBytes != 0) await node.ResizeAsync(0, Preallocation.Off, cancellation).ConfigureAwait(false);
            if (file.Kind == DiskFileKind.Regular || lengthBytes > node._lengthBytes) await node.ResizeAsync(lengthBytes, preallocation, cancellation).ConfigureAwait(false);
            return node;
        }
        catch
        {
            // Only a name that was not there before.
            if (isNew) System.IO.File.Delete(path);
            if (node is not null) await node.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>
    /// Goes on with the same file, opened for reading only or for writing too, under the locks of that use. Throws <see cref="DiskOpenException"/> and stays as it
    /// was where that cannot be. Not while requests are in flight.
    /// </summary>
    internal void Reopen(bool readOnly)
    {
        if (readOnly == _limits.IsReadOnly) return;
        FileOpenOptions options = _options with { ReadOnly = readOnly };
        DiskFile file;
        try
        {
            file = _file.Reopen(FlagsFor(options));
        }
        catch (LinuxException e)
        {
            throw FileOpening.OpenFailure(_file.Path, readOnly, e);
        }
        try
        {
            if (_isDirect) file.FindDirectAlignment();
            ImageLockMode mode = ModeFor(options);
            ImageLock.Move(_file, _lockMode, file, mode);
            _lockMode = mode;
        }
        catch
        {
            file.Dispose();
            throw;
        }
        _file.Dispose();
        _file = file;
        _limits = LimitsFor(readOnly);
    }

    /// <inheritdoc/>
    public override ValueTask FlushAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (_limits.IsReadOnly || !_flushes) return ValueTask.CompletedTask;
        // Pages whose writing failed may be gone from the cache, and the kernel tells it once: what was lost then stays lost.
        if (_lostWrites is BlockIoException lost) throw new BlockIoException(lost.Message, lost);
        if (Volatile.Read(ref _writes) == Volatile.Read(ref _flushedWrites)) return ValueTask.CompletedTask;
        if (_isNew) return FlushNameAsync();
        return _inMemory ? SyncHere() : _engine.Run(this, _file, new DiskWork(DiskOperation.Sync, Volatile.Read(ref _writes), 0, 0));
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync()
    {
        if (!_file.IsClosed) ImageLock.Release(_file, _lockMode);
        _file.Dispose();
        _spareBounce?.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    Exception? IDiskClient.Ended(in DiskWork work, Exception? failure)
    {
        switch (work.Operation)
        {
            case DiskOperation.Write or DiskOperation.DurableWrite:
                if (failure is null) Written(work.Offset + work.LengthBytes);
                if (work.Tag != 0) _ranges.Release(work.Tag - 1);
                break;
            case DiskOperation.Sync when failure is null:
                Flushed(work.Offset);
                break;
        }
        return failure is LinuxException e ? Failed(e, work.Operation) : failure;
    }

    private static FileNode Make(string path, FileOpenOptions options, DiskFile file)
    {
        try
        {
            if (file.Kind == DiskFileKind.Directory) throw new DiskOpenException($"Disk \"{path}\" is a directory; name the image file in it.");
            if (file.Kind == DiskFileKind.Other)
            {
                throw new DiskOpenException($"Disk \"{path}\" is neither a file nor a block device; name one of these.")
                {
                    Reason = "A regular file was expected by the 'file' driver, but something else was given",
                };
            }
            ImageLockMode mode = ModeFor(options);
            ImageLock.Take(file, mode);
            return new FileNode(file, options, mode);
        }
        catch (Exception e)
        {
            file.Dispose();
            if (e is LinuxException) throw new DiskOpenException($"Disk \"{path}\" cannot be examined; check the file system under it.", e);
            throw;
        }
    }

    private static ImageLockMode ModeFor(FileOpenOptions options) =>
        !options.ReadOnly ? ImageLockMode.Writer : options.ForceShare ? ImageLockMode.Observer : ImageLockMode.Reader;

    private static bool IsDirect(FileOpenOptions options) => options.Cache is CacheMode.None or CacheMode.DirectSync;

    private static DiskOpenFlags FlagsFor(FileOpenOptions options) =>
        (options.ReadOnly ? DiskOpenFlags.ReadOnly : DiskOpenFlags.None) | (IsDirect(options) ? DiskOpenFlags.Direct : DiskOpenFlags.None);

    private static DiskEngine EngineFor(AioMode mode, string path) => mode switch
    {
        AioMode.Threads => DiskEngine.Threads,
        AioMode.IoUring => DiskEngine.Uring
            ?? throw new DiskOpenException($"Disk \"{path}\" cannot be opened with aio=io_uring: this process has no io_uring (an old kernel, a container's filter, or kernel.io_uring_disabled); use aio=threads."),
        _ => DiskEngine.Best,
    };

    private BlockLimits LimitsFor(bool readOnly) => new()
    {
        IsReadOnly = readOnly,
        PhysicalBlockBytes = _isDirect ? Math.Max(512, _file.DirectAlignment.OffsetBytes) : 4096,
        CanDiscard = !readOnly && _options.Unmap,
        HasFastZeroes = !readOnly,
        WritesAreDurable = _flushes && _durableWrites,
        GrowsBestWith = _isDirect && _file.Kind == DiskFileKind.Regular ? Preallocation.Falloc : Preallocation.Off,
    };

    private async ValueTask FlushNameAsync()
    {
        await _engine.Run(this, _file, new DiskWork(DiskOperation.Sync, Volatile.Read(ref _writes), 0, 0)).ConfigureAwait(false);
        await _engine.Run(this, _file, new DiskWork(DiskOperation.Work, 0, 0, (int)SpaceWork.SyncName)).ConfigureAwait(false);
        _isNew = false;
    }

    private ValueTask SyncHere()
    {
        long writes = Volatile.Read(ref _writes);
        try
        {
            _file.SyncData();
        }
        catch (LinuxException e)
        {
            throw Failed(e, DiskOperation.Sync);
        }
        Flushed(writes);
        return ValueTask.CompletedTask;
    }

    private void Flushed(long writes)
    {
        long known = Volatile.Read(ref _flushedWrites);
        while (writes > known)
        {
            long seen = Interlocked.CompareExchange(ref _flushedWrites, writes, known);
            if (seen == known) return;
            known = seen;
        }
    }

    // A write that ended: there is something to flush, and if it lay behind the end, the file is longer; of concurrent ones the furthest counts.
    private void Written(long end)
    {
        Interlocked.Increment(ref _writes);
        long known = Volatile.Read(ref _lengthBytes);
        while (end > known)
        {
            long seen = Interlocked.CompareExchange(ref _lengthBytes, end, known);
            if (seen == known) return;
            known = seen;
        }
    }

    // A format above may own space behind the present end: a raw image's last, partial sector; a growing image's next cluster.
    private static void CheckReach(long offset, long lengthBytes)
    {
        if (offset < 0 || lengthBytes < 0 || offset > long.MaxValue - lengthBytes)
            throw new ArgumentOutOfRangeException(nameof(offset), $"{lengthBytes} bytes at {offset} are not a range of a file.");
    }

    private void CheckWritable(long offset, long lengthBytes)
    {
        CheckReach(offset, lengthBytes);
        if (_limits.IsReadOnly) throw new BlockIoException($"Disk \"{_file.Path}\" was opened read-only.", BlockIoException.Eperm);
    }

    private BlockIoException Failed(LinuxException e, DiskOperation operation)
    {
        BlockIoException failure = new($"Disk \"{_file.Path}\": {e.Call} failed: {Marshal.GetPInvokeErrorMessage(e.Errno)} (errno {e.Errno}).", e);
        if (!_isDirect && e.Errno == BlockIoException.Eio && operation is DiskOperation.Sync or DiskOperation.DurableWrite) _lostWrites = failure;
        return failure;
    }

    // Reading and writing. Direct requests that are not aligned go through a buffer; writes of that kind read the blocks that they change in part, and
    // every direct write takes its blocks for itself meanwhile.
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
