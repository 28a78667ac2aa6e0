using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.Files;
using Hutch.Host.Linux;

namespace Hutch.Block.Files;

/// <summary>
/// A file or block device of the host. Requests are carried out with positioned system calls on the caller's thread and are complete when
/// the method returns. A flush is fdatasync(2).
/// </summary>
internal sealed class FileNode : BlockNode
{
    private const int ZeroChunkBytes = 64 * 1024;

    private readonly DiskFile _file;
    private long _lengthBytes;
    private readonly BlockLimits _limits;

    private FileNode(DiskFile file, bool readOnly)
    {
        _file = file;
        _lengthBytes = file.GetLengthBytes();
        _limits = new BlockLimits { IsReadOnly = readOnly, PhysicalBlockBytes = 4096, CanDiscard = !readOnly, HasFastZeroes = !readOnly };
    }

    /// <inheritdoc/>
    public override long LengthBytes => _lengthBytes;

    /// <inheritdoc/>
    public override string Filename => _file.Path;

    /// <inheritdoc/>
    public override BlockLimits Limits => _limits;

    /// <inheritdoc/>
    public override long? AllocatedBytes => _file.GetAllocatedBytes();

    /// <summary>Opens and locks. Throws <see cref="DiskOpenException"/>.</summary>
    internal static FileNode Open(string path, bool readOnly)
    {
        DiskFile file;
        try
        {
            file = DiskFile.Open(path, readOnly);
        }
        catch (LinuxException e)
        {
            throw new DiskOpenException(DescribeOpenFailure(path, readOnly, e.Errno), e);
        }
        try
        {
            if (file.Kind == DiskFileKind.Directory) throw new DiskOpenException($"Disk \"{path}\" is a directory; name the image file in it.");
            if (file.Kind == DiskFileKind.Other) throw new DiskOpenException($"Disk \"{path}\" is neither a file nor a block device; name one of these.");
            ImageLock.Take(file, readOnly);
            return new FileNode(file, readOnly);
        }
        catch (Exception e)
        {
            file.Dispose();
            if (e is LinuxException) throw new DiskOpenException($"Disk \"{path}\" cannot be examined; check the file system under it.", e);
            throw;
        }
    }

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        CheckReach(offset, destination.LengthBytes);
        cancellation.ThrowIfCancellationRequested();
        try
        {
            _file.ReadFully(offset, destination.Segments);
        }
        catch (LinuxException e)
        {
            throw Failed(e);
        }
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        CheckWritable(offset, source.LengthBytes);
        cancellation.ThrowIfCancellationRequested();
        try
        {
            _file.WriteFully(offset, source.Segments);
            Extend(offset + source.LengthBytes);
            if ((flags & WriteFlags.Durable) != 0) _file.SyncData();
        }
        catch (LinuxException e)
        {
            throw Failed(e);
        }
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        CheckWritable(offset, lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        if (lengthBytes == 0) return ValueTask.CompletedTask;
        try
        {
            bool done = (flags & WriteFlags.MayUnmap) != 0 && _file.TryPunchHole(offset, lengthBytes);
            if (!done && !_file.TryZeroRange(offset, lengthBytes)) WriteZeroData(offset, lengthBytes, cancellation);
            if ((flags & WriteFlags.Durable) != 0) _file.SyncData();
        }
        catch (LinuxException e)
        {
            throw Failed(e);
        }
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckWritable(offset, lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        try
        {
            if (lengthBytes != 0) _ = _file.TryPunchHole(offset, lengthBytes);
        }
        catch (LinuxException e)
        {
            throw Failed(e);
        }
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override ValueTask FlushAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (_limits.IsReadOnly) return ValueTask.CompletedTask;
        try
        {
            _file.SyncData();
        }
        catch (LinuxException e)
        {
            throw Failed(e);
        }
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckReach(offset, lengthBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        if (offset >= _lengthBytes) return ValueTask.FromResult(new BlockExtent(BlockExtentKind.Zero, lengthBytes));
        (bool hasData, long end) = _file.FindExtent(offset, _lengthBytes);
        return ValueTask.FromResult(new BlockExtent(hasData ? BlockExtentKind.Data : BlockExtentKind.Zero, Math.Min(lengthBytes, end - offset)) { FileOffset = offset, File = this });
    }

    /// <inheritdoc/>
    public override ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation)
    {
        CheckWritable(0, lengthBytes);
        if (preallocation is not Preallocation.Off) throw new BlockIoException($"\"{_file.Path}\": preallocation is not supported.", BlockIoException.Enotsup);
        try
        {
            _file.SetLength(lengthBytes);
        }
        catch (LinuxException e)
        {
            throw Failed(e);
        }
        _lengthBytes = lengthBytes;
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync()
    {
        _file.Dispose();
        return ValueTask.CompletedTask;
    }

    // A format above may own space behind the present end: a raw image's last, partial sector; a growing image's next cluster.
    private static void CheckReach(long offset, long lengthBytes)
    {
        if (offset < 0 || lengthBytes < 0 || offset > long.MaxValue - lengthBytes)
            throw new ArgumentOutOfRangeException(nameof(offset), $"{lengthBytes} bytes at {offset} are not a range of a file.");
    }

    // A write behind the end makes the file longer; of concurrent ones the furthest counts.
    private void Extend(long end)
    {
        long known = Volatile.Read(ref _lengthBytes);
        while (end > known)
        {
            long seen = Interlocked.CompareExchange(ref _lengthBytes, end, known);
            if (seen == known) return;
            known = seen;
        }
    }

    private void CheckWritable(long offset, long lengthBytes)
    {
        CheckReach(offset, lengthBytes);
        if (_limits.IsReadOnly) throw new BlockIoException($"Disk \"{_file.Path}\" was opened read-only.");
    }

    private void WriteZeroData(long offset, long lengthBytes, CancellationToken cancellation)
    {
        using NativeBuffer zeros = new((int)Math.Min(lengthBytes, ZeroChunkBytes));
        while (lengthBytes != 0)
        {
            cancellation.ThrowIfCancellationRequested();
            int chunk = (int)Math.Min(lengthBytes, zeros.LengthBytes);
            _file.WriteFully(offset, [zeros.Segment(0, chunk)]);
            offset += chunk;
            lengthBytes -= chunk;
        }
    }

    private BlockIoException Failed(LinuxException e) => new($"Disk \"{_file.Path}\": {e.Call} failed with errno {e.Errno}.", e);

    private static string DescribeOpenFailure(string path, bool readOnly, int errno) => errno switch
    {
        2 or 20 => $"Disk \"{path}\" does not exist; create it, or check the path.",
        13 or 1 => $"Disk \"{path}\" may not be {(readOnly ? "read" : "read and written")} by this user; change its permissions{(readOnly ? "" : " or open it with readonly")}.",
        21 => $"Disk \"{path}\" is a directory; name the image file in it.",
        30 => $"Disk \"{path}\" lies on a read-only file system; open it with readonly.",
        26 => $"Disk \"{path}\" is busy; end what executes or uses it.",
        _ => $"Disk \"{path}\" cannot be opened (errno {errno}); check the path and the storage under it.",
    };
}
