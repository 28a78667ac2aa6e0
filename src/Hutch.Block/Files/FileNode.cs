using System;
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
    internal static FileNode Open(string path, FileOpenOptions options) => Make(path, options, OpenFile(path, FlagsFor(options)));

    /// <summary>
    /// Makes a file of this length, or empties the one that is there, once nobody else uses it, and opens it for writing. A block device is not changed: it must
    /// be long enough. Throws <see cref="DiskOpenException"/>, and <see cref="BlockIoException"/> where the space cannot be had.
    /// </summary>
    internal static async ValueTask<FileNode> CreateAsync(string path, long lengthBytes, Preallocation preallocation, FileOpenOptions options, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        (DiskFile file, bool isNew) = CreateFile(path, FlagsFor(options with { ReadOnly = false }));
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
            throw OpenFailure(_file.Path, readOnly, e);
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
}
