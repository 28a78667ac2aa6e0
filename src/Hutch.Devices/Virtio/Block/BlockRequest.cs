using System;
using System.Buffers.Binary;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Devices.Virtio.Requests;
using static Hutch.Devices.Virtio.Block.VirtioBlockRegisters;

namespace Hutch.Devices.Virtio.Block;

/// <summary>One request of a driver on its way through the disk (virtio 1.2 §5.2.6).</summary>
internal sealed class BlockRequest : StorageRequest
{
    private readonly VirtioBlock _disk;
    private byte[] _ranges = [];
    private int _rangeBytes, _rangeAt;
    private uint _type;
    private ulong _sector;
    private long _room, _writtenBytes;
    private byte _status;
    private bool _begun;

    /// <summary>Makes one for <paramref name="disk"/>.</summary>
    internal BlockRequest(VirtioBlock disk, int maxBuffers, Action<StorageRequest> completed) : base(maxBuffers, completed) => _disk = disk;

    /// <inheritdoc/>
    internal override bool IsRead => _type == TypeIn;

    /// <inheritdoc/>
    internal override long TransferBytes => _type switch
    {
        TypeIn => _room,
        TypeOut => Chain.ReadableBytes - HeaderBytes,
        _ => -1,
    };

    /// <inheritdoc/>
    internal override string Verb => _type switch
    {
        TypeIn => "read",
        TypeFlush => "flushed",
        TypeDiscard => "discarded",
        _ => "written",
    };

    /// <inheritdoc/>
    internal override StorageErrors Errors => _disk.Errors;

    /// <inheritdoc/>
    internal override void Ignore() => _status = StatusOk;

    /// <summary>Copies the header out of the chain. False when the chain is no request: without a whole header or a status byte there is nothing to answer.</summary>
    internal override bool Read()
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        if (Chain.WritableBytes < 1 || !Chain.TryRead(0, header)) return false;
        _type = BinaryPrimitives.ReadUInt32LittleEndian(header);
        _sector = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        _room = Chain.WritableBytes - 1;
        _writtenBytes = 0;
        _rangeBytes = _rangeAt = 0;
        if (_type is TypeDiscard or TypeWriteZeroes) CopyRanges();
        Rewind();
        return true;
    }

    /// <inheritdoc/>
    internal override void Rewind()
    {
        base.Rewind();
        _status = StatusOk;
        _begun = false;
    }

    /// <inheritdoc/>
    internal override uint Answer()
    {
        long statusOffset = Chain.WritableBytes - 1;
        _ = Chain.TryWrite(statusOffset, [_status]);
        // After a failure there may be a hole before the status.
        return _writtenBytes == statusOffset ? (uint)(statusOffset + 1) : (uint)_writtenBytes;
    }

    /// <inheritdoc/>
    private protected override void Fail()
    {
        _status = StatusIoError;
        // Some of it may be in the guest's memory already.
        if (IsRead) Chain.MarkWritten(0, _room);
    }

    /// <inheritdoc/>
    private protected override bool Begin(out ValueTask operation)
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
                _writtenBytes = length;
                return false;
            case TypeDiscard when (_disk.DeviceFeatures & FeatureDiscard) != 0:
            case TypeWriteZeroes when (_disk.DeviceFeatures & FeatureWriteZeroes) != 0:
                return BeginRange(ref operation);
            default:
                _status = StatusUnsupported;
                return false;
        }
    }

    /// <inheritdoc/>
    private protected override void End()
    {
        _begun = true;
        _rangeAt += RangeBytes;
        if (_type != TypeIn) return;
        Chain.MarkWritten(0, _room);
        _writtenBytes = _room;
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
        _status = status;
        return false;
    }
}
