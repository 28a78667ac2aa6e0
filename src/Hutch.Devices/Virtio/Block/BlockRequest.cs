using System;
using System.Buffers.Binary;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Devices.Storage;
using Hutch.Devices.Virtio.Queue;
using Hutch.Host.Files;
using static Hutch.Devices.Virtio.Block.VirtioBlockRegisters;

namespace Hutch.Devices.Virtio.Block;

/// <summary>
/// One request of a driver on its way through the disk (virtio 1.2 §5.2.6). Objects are reused: what a request needs is kept from one to the next, so that
/// in the long run none allocates.
/// <code>
///   Read (header)  ->  Advance … (in flight) … Continue  ->  finished: Status, WrittenBytes, or Failure
/// </code>
/// Used by its queue's worker; only the call that says that an operation completed comes from elsewhere.
/// </summary>
internal sealed class BlockRequest
{
    private readonly VirtioBlock _disk;
    private readonly Action _completed;
    private IoSegment[] _segments = [];
    private byte[] _ranges = [];
    private int _rangeBytes, _rangeAt;
    private uint _type;
    private ulong _sector;
    private long _room;
    private bool _begun;
    private PendingOperation _operation;

    /// <summary>Makes one for <paramref name="disk"/>; <paramref name="completed"/> is called on any thread when an operation completed.</summary>
    internal BlockRequest(VirtioBlock disk, int maxBuffers, Action<BlockRequest> completed)
    {
        _disk = disk;
        Chain = new DescriptorChain(maxBuffers);
        _completed = () => completed(this);
    }

    /// <summary>The driver's buffers.</summary>
    internal DescriptorChain Chain { get; }

    /// <summary>The next of a list; its owner's.</summary>
    internal BlockRequest? Next { get; set; }

    /// <summary>The answer.</summary>
    internal byte Status { get; set; }

    /// <summary>Bytes written into the chain from its first writable one on, the status not counted.</summary>
    internal long WrittenBytes { get; private set; }

    /// <summary>What storage said, when it failed.</summary>
    internal Exception? Failure { get; private set; }

    /// <summary>The request reads the disk.</summary>
    internal bool IsRead => _type == TypeIn;

    /// <summary>Bytes that the request moves; -1 where it is neither a read nor a write.</summary>
    internal long TransferBytes => _type switch
    {
        TypeIn => _room,
        TypeOut => Chain.ReadableBytes - HeaderBytes,
        _ => -1,
    };

    /// <summary>What the request asks, in a word, for messages.</summary>
    internal string Verb => _type switch
    {
        TypeIn => "read",
        TypeFlush => "flushed",
        TypeDiscard => "discarded",
        _ => "written",
    };

    /// <summary>Copies the header out of the chain. False when the chain is no request: without a whole header or a status byte there is nothing to answer.</summary>
    internal bool Read()
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        if (Chain.WritableBytes < 1 || !Chain.TryRead(0, header)) return false;
        _type = BinaryPrimitives.ReadUInt32LittleEndian(header);
        _sector = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        _room = Chain.WritableBytes - 1;
        WrittenBytes = 0;
        _rangeBytes = _rangeAt = 0;
        if (_type is TypeDiscard or TypeWriteZeroes) CopyRanges();
        Rewind();
        return true;
    }

    /// <summary>Prepares to make the operation that failed once more.</summary>
    internal void Rewind()
    {
        Failure = null;
        Status = StatusOk;
        _begun = false;
    }

    /// <summary>Does what is next. True: the request is finished; false: an operation is in flight and nothing here may be touched until it completed.</summary>
    internal bool Advance()
    {
        try
        {
            while (Begin(out ValueTask operation))
            {
                if (!_operation.TryFinish(operation, _completed)) return false;
                End();
            }
        }
        catch (Exception refused) when (DiskNodes.IsFailure(refused))
        {
            Fail(refused);
        }
        return true;
    }

    /// <summary>Goes on after an operation completed; as <see cref="Advance"/>.</summary>
    internal bool Continue()
    {
        try
        {
            _operation.Finish();
            End();
        }
        catch (Exception refused) when (DiskNodes.IsFailure(refused))
        {
            Fail(refused);
            return true;
        }
        return Advance();
    }

    // The wall of the worker: what the storage refused becomes the guest's I/O error, or what the disk's policy says.
    private void Fail(Exception refused)
    {
        Failure = refused;
        Status = StatusIoError;
        // Some of it may be in the guest's memory already.
        if (IsRead) Chain.MarkWritten(0, _room);
    }

    // Begins the next operation; false when there is none, with the status set.
    private bool Begin(out ValueTask operation)
    {
        operation = default;
        switch (_type)
        {
            case TypeIn:
                return !_begun && BeginRead(ref operation);
            case TypeOut:
                return !_begun && BeginWrite(ref operation);
            case TypeFlush:
                if (!_begun) operation = _disk.Node.FlushAsync(default);
                return !_begun;
            case TypeGetId:
                int length = (int)Math.Min(_room, IdBytes);
                _ = Chain.TryWrite(0, _disk.Id.AsSpan(0, length));
                WrittenBytes = length;
                return false;
            case TypeDiscard when (_disk.DeviceFeatures & FeatureDiscard) != 0:
            case TypeWriteZeroes when (_disk.DeviceFeatures & FeatureWriteZeroes) != 0:
                return BeginRange(ref operation);
            default:
                Status = StatusUnsupported;
                return false;
        }
    }

    private void End()
    {
        _begun = true;
        _rangeAt += RangeBytes;
        if (_type != TypeIn) return;
        Chain.MarkWritten(0, _room);
        WrittenBytes = _room;
    }

    private bool BeginRead(ref ValueTask operation)
    {
        if (!_disk.IsOnDisk(_sector, _room)) return Refuse(StatusIoError);
        operation = _disk.Node.ReadAsync((long)_sector * SectorBytes, Slice(writable: true, 0, _room), default);
        return true;
    }

    private bool BeginWrite(ref ValueTask operation)
    {
        long length = Chain.ReadableBytes - HeaderBytes;
        if (!_disk.IsOnDisk(_sector, length) || _disk.Node.Limits.IsReadOnly) return Refuse(StatusIoError);
        operation = _disk.Node.WriteAsync((long)_sector * SectorBytes, Slice(writable: false, HeaderBytes, length), _disk.WriteThrough, default);
        return true;
    }

    private bool BeginRange(ref ValueTask operation)
    {
        if (_rangeBytes == 0) return Refuse(StatusUnsupported);
        if (_rangeAt == _rangeBytes) return false;
        ReadOnlySpan<byte> range = _ranges.AsSpan(_rangeAt, RangeBytes);
        ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(range);
        uint sectors = BinaryPrimitives.ReadUInt32LittleEndian(range[8..]);
        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(range[12..]);
        // Reserved flags, and unmap in a discard, are refused (§5.2.6.2).
        if ((flags & ~RangeUnmap) != 0 || (_type == TypeDiscard && flags != 0)) return Refuse(StatusUnsupported);
        long bytes = (long)sectors * SectorBytes;
        if (sectors > VirtioBlockConfigSpace.MaxRange || !_disk.IsOnDisk(sector, bytes)) return Refuse(StatusIoError);
        operation = _type == TypeDiscard
            ? _disk.Node.DiscardAsync((long)sector * SectorBytes, bytes, default)
            : _disk.Node.WriteZeroesAsync((long)sector * SectorBytes, bytes, _disk.WriteThrough | ((flags & RangeUnmap) != 0 ? WriteFlags.MayUnmap : WriteFlags.None), default);
        return true;
    }

    // Checked on a copy: the driver may change its own meanwhile. A list of another length than whole ranges stays empty.
    private void CopyRanges()
    {
        long length = Chain.ReadableBytes - HeaderBytes;
        if (length <= 0 || length % RangeBytes != 0 || length > VirtioBlockConfigSpace.MaxRanges * RangeBytes) return;
        if (_ranges.Length == 0) _ranges = new byte[VirtioBlockConfigSpace.MaxRanges * RangeBytes];
        _rangeBytes = (int)length;
        _ = Chain.TryRead(HeaderBytes, _ranges.AsSpan(0, _rangeBytes));
    }

    private bool Refuse(byte status)
    {
        Status = status;
        return false;
    }

    private IoVector Slice(bool writable, long offset, long length)
    {
        if (_segments.Length < Chain.SegmentCount) _segments = new IoSegment[Math.Max(Chain.SegmentCount, 2 * _segments.Length)];
        int count = Chain.Slice(writable, offset, length, _segments);
        return new IoVector(_segments.AsMemory(0, count));
    }
}
