using System;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.DiskIo;
using Hutch.Host.Files;
using Hutch.Host.Linux;

namespace Hutch.Block.Files;

// Zeroes, discards, extents and lengths. These calls may wait for storage or for a journal, so that they are made on an engine's thread.
internal sealed partial class FileNode
{
    private const int ZeroChunkBytes = 64 * 1024;

    /// <summary>What a request of kind <see cref="DiskOperation.Work"/> is, in its tag.</summary>
    [Flags]
    private enum SpaceWork
    {
        Zeroes = 1,
        Discard = 2,
        Resize = 4,
        SyncName = 8,
        MayUnmap = 16,
        NoFallback = 32,
        Durable = 64,
    }

    private const int PreallocationShift = 8;

    // What the file system or the device turned out not to have is not asked for again.
    private volatile bool _canPunch = true, _canZero = true;

    // The last run of data that was found, for the next question about it. Only data is remembered: a file system that has got a hole meanwhile makes it
    // merely slower. Null: none.
    private volatile DataRun? _data;

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        CheckWritable(offset, lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        if (lengthBytes == 0) return ValueTask.CompletedTask;
        SpaceWork work = SpaceWork.Zeroes;
        if ((flags & WriteFlags.MayUnmap) != 0 && _options.Unmap) work |= SpaceWork.MayUnmap;
        if ((flags & WriteFlags.NoFallback) != 0) work |= SpaceWork.NoFallback;
        if (IsDurable(flags)) work |= SpaceWork.Durable;
        return _isDirect ? ZeroDirectAsync(offset, lengthBytes, work) : RunWork(work, offset, lengthBytes);
    }

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckWritable(offset, lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        lengthBytes = Math.Min(lengthBytes, LengthBytes - offset);
        if (lengthBytes <= 0 || !_options.Unmap || !_canPunch) return ValueTask.CompletedTask;
        return _isDirect ? DiscardDirectAsync(offset, lengthBytes) : RunWork(SpaceWork.Discard, offset, lengthBytes);
    }

    /// <inheritdoc/>
    public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckReach(offset, lengthBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        cancellation.ThrowIfCancellationRequested();
        long fileLength = LengthBytes;
        if (offset >= fileLength) return new(new BlockExtent(BlockExtentKind.Zero, lengthBytes));
        bool hasData = true;
        long end = fileLength;
        if (_data is DataRun known && offset >= known.Start && offset < known.End) end = known.End;
        else if (_file.Kind == DiskFileKind.Regular)
        {
            (hasData, end) = _file.FindExtent(offset, fileLength);
            if (hasData) _data = new DataRun(offset, end);
        }
        // Without the page cache a file is made of whole sectors: the rest of the last one belongs to what is in it.
        if (hasData && end == fileLength && IsDirect(_options)) end = RoundUp(end, 512);
        return new(new BlockExtent(hasData ? BlockExtentKind.Data : BlockExtentKind.Zero, Math.Min(lengthBytes, end - offset)) { FileOffset = offset, File = this });
    }

    /// <inheritdoc/>
    public override ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation)
    {
        CheckWritable(0, lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        string mode = preallocation switch { Preallocation.Metadata => "metadata", Preallocation.Falloc => "falloc", Preallocation.Full => "full", _ => "off" };
        if (_file.Kind != DiskFileKind.Regular)
        {
            if (preallocation != Preallocation.Off) throw NotSupported($"Preallocation mode '{mode}' unsupported for this non-regular file");
            if (lengthBytes == LengthBytes) return ValueTask.CompletedTask;
            throw NotSupported(lengthBytes > LengthBytes ? "Cannot grow device files" : "Cannot resize device files");
        }
        if (preallocation == Preallocation.Metadata) throw NotSupported($"Unsupported preallocation mode '{mode}'");
        if (preallocation != Preallocation.Off && lengthBytes < LengthBytes) throw NotSupported("Preallocation can't be used for shrinking files");
        SpaceWork work = SpaceWork.Resize | (SpaceWork)((int)preallocation << PreallocationShift);
        return RunWork(work, 0, lengthBytes);
    }

    /// <inheritdoc/>
    void IDiskClient.Work(in DiskWork work)
    {
        SpaceWork what = (SpaceWork)work.Tag;
        if ((what & SpaceWork.Zeroes) != 0) Zero(work.Offset, work.LengthBytes, what);
        else if ((what & SpaceWork.Discard) != 0) Discard(work.Offset, work.LengthBytes);
        else if ((what & SpaceWork.Resize) != 0) Resize(work.LengthBytes, (Preallocation)(work.Tag >> PreallocationShift));
        else DiskFile.SyncDirectoryOf(_file.Path);
    }

    private ValueTask RunWork(SpaceWork work, long offset, long lengthBytes)
    {
        DiskWork request = new(DiskOperation.Work, offset, lengthBytes, (int)work);
        if (!_inMemory) return _engine.Run(this, _file, request);
        try
        {
            ((IDiskClient)this).Work(request);
        }
        catch (LinuxException e)
        {
            throw Failed(e, DiskOperation.Work);
        }
        return ValueTask.CompletedTask;
    }

    // Blocks that are zeroed in part are read and written as data.
    private async ValueTask ZeroDirectAsync(long offset, long lengthBytes, SpaceWork work)
    {
        int block = _file.DirectAlignment.OffsetBytes;
        long end = offset + lengthBytes, first = RoundUp(offset, block), last = RoundDown(end, block);
        bool durable = (work & SpaceWork.Durable) != 0;
        using NativeBuffer zeros = new(block);
        if (first > last || (first != offset && end < first))
        {
            await WriteBouncedAsync(offset, new IoVector(new[] { zeros.Segment(0, (int)lengthBytes) }), durable).ConfigureAwait(false);
            return;
        }
        if (offset != first) await WriteBouncedAsync(offset, new IoVector(new[] { zeros.Segment(0, (int)(first - offset)) }), durable).ConfigureAwait(false);
        if (first != last) await RunAloneAsync(work, first, last - first).ConfigureAwait(false);
        if (end != last) await WriteBouncedAsync(last, new IoVector(new[] { zeros.Segment(0, (int)(end - last)) }), durable).ConfigureAwait(false);
    }

    private async ValueTask DiscardDirectAsync(long offset, long lengthBytes)
    {
        int block = _file.DirectAlignment.OffsetBytes;
        long first = RoundUp(offset, block), last = RoundDown(offset + lengthBytes, block);
        if (first < last) await RunAloneAsync(SpaceWork.Discard, first, last - first).ConfigureAwait(false);
    }

    private async ValueTask RunAloneAsync(SpaceWork work, long offset, long lengthBytes)
    {
        int ticket = await _ranges.AcquireAsync(offset, lengthBytes).ConfigureAwait(false);
        try
        {
            await RunWork(work, offset, lengthBytes).ConfigureAwait(false);
        }
        finally
        {
            _ranges.Release(ticket);
        }
    }

    private void Zero(long offset, long lengthBytes, SpaceWork work)
    {
        bool done = (work & SpaceWork.MayUnmap) != 0 ? ZeroUnmapping(offset, lengthBytes) || ZeroKeeping(offset, lengthBytes) : ZeroKeeping(offset, lengthBytes);
        if (!done)
        {
            if ((work & SpaceWork.NoFallback) != 0) throw NotSupported("Zeroes can only be written as data here");
            WriteZeroData(_file, offset, lengthBytes);
        }
        _data = null;
        Written(offset + lengthBytes);
        if ((work & SpaceWork.Durable) != 0) _file.SyncData();
    }

    // A hole where the file is, and the file longer where it is not. Made longer without a hole at its end, that would need its length, which others change.
    private bool ZeroUnmapping(long offset, long lengthBytes)
    {
        if (!_canPunch || _file.Kind != DiskFileKind.Regular) return false;
        if (!_file.TryPunchHole(offset, lengthBytes)) return _canPunch = false;
        return offset + lengthBytes <= LengthBytes || _file.TryReserve(offset + lengthBytes - 1, 1);
    }

    private bool ZeroKeeping(long offset, long lengthBytes)
    {
        if (_canZero)
        {
            if (_file.TryZeroRange(offset, lengthBytes)) return true;
            // A device refuses ranges that are not whole sectors, and takes the next.
            if (_file.Kind == DiskFileKind.Regular) _canZero = false;
        }
        return _file.Kind == DiskFileKind.Regular && _canPunch && _file.TryPunchHole(offset, lengthBytes) && _file.TryReserve(offset, lengthBytes);
    }

    private void Discard(long offset, long lengthBytes)
    {
        _data = null;
        if (!_file.TryDiscard(offset, lengthBytes)) _canPunch = false;
        else Interlocked.Increment(ref _writes);
    }

    private void Resize(long lengthBytes, Preallocation preallocation)
    {
        long before = LengthBytes;
        try
        {
            if (preallocation == Preallocation.Off || lengthBytes == before) SetLength(lengthBytes);
            else Preallocate(before, lengthBytes, preallocation);
        }
        catch (LinuxException e) when (preallocation != Preallocation.Off)
        {
            _file.SetLength(before);
            string what = preallocation == Preallocation.Falloc ? "Could not preallocate data for the new file" : "Could not write zeros for preallocation";
            throw new BlockIoException($"{what}: {Marshal.GetPInvokeErrorMessage(e.Errno)}", e);
        }
        _data = null;
        Interlocked.Increment(ref _writes);
    }

    private void Preallocate(long before, long lengthBytes, Preallocation preallocation)
    {
        if (preallocation == Preallocation.Falloc)
        {
            // Without the call the C library would write a byte into each block; then it may as well be all of them.
            if (!_file.TryReserve(before, lengthBytes - before)) WriteNewZeros(before, lengthBytes);
        }
        else
        {
            // First its length, which fails at once where the file system has no such lengths.
            _file.SetLength(lengthBytes);
            WriteNewZeros(before, lengthBytes);
        }
        Volatile.Write(ref _lengthBytes, lengthBytes);
    }

    // Through the page cache, for which no end need be aligned.
    private void WriteNewZeros(long offset, long end)
    {
        using DiskFile file = _file.Reopen(DiskOpenFlags.None);
        WriteZeroData(file, offset, end - offset);
        file.SyncData();
    }

    private void SetLength(long lengthBytes)
    {
        try
        {
            _file.SetLength(lengthBytes);
        }
        catch (LinuxException e)
        {
            throw new BlockIoException($"Failed to resize file: {Marshal.GetPInvokeErrorMessage(e.Errno)}", e);
        }
        Volatile.Write(ref _lengthBytes, lengthBytes);
    }

    private static void WriteZeroData(DiskFile file, long offset, long lengthBytes)
    {
        if (lengthBytes == 0) return;
        using NativeBuffer zeros = new((int)Math.Min(lengthBytes, ZeroChunkBytes));
        for (long end = offset + lengthBytes; offset < end;)
        {
            int chunk = (int)Math.Min(end - offset, zeros.LengthBytes);
            file.WriteFully(offset, [zeros.Segment(0, chunk)]);
            offset += chunk;
        }
    }

    private static BlockIoException NotSupported(string message) => new(message, BlockIoException.Enotsup);

    private sealed record DataRun(long Start, long End);
}
