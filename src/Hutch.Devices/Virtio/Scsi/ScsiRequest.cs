using System;
using System.Buffers.Binary;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Devices.Virtio.Requests;
using static Hutch.Devices.Virtio.Scsi.ScsiCodes;
using static Hutch.Devices.Virtio.Scsi.VirtioScsiRegisters;

namespace Hutch.Devices.Virtio.Scsi;

/// <summary>
/// One command of a driver on its way to a disk and back (virtio 1.2 §5.6.6.1). The disk looks at <see cref="Command"/> and answers at once (<see cref="Send"/>, <see cref="Refuse"/>), or says what
/// its storage is to do (<see cref="Transfer"/> and those after it).
/// </summary>
internal sealed class ScsiRequest : StorageRequest
{
    /// <summary>Ranges that one command can discard.</summary>
    internal const int MostRanges = 8;

    private const int LongestCommand = 16;

    private readonly VirtioScsi _controller;
    private readonly byte[] _command = new byte[LongestCommand];
    private readonly (long Offset, long LengthBytes)[] _ranges = new (long, long)[MostRanges];
    private ScsiDisk? _disk;
    private ulong _lun;
    private long _dataOut, _dataIn, _inOffset, _outOffset, _moved, _offset, _length;
    private int _senseRoom, _rangeCount, _begun;
    private ScsiOperation _operation;
    private WriteFlags _flags;
    private bool _isPlanned;
    private byte _response, _status, _senseKey;
    private ushort _senseCode;

    /// <summary>Makes one for <paramref name="controller"/>.</summary>
    internal ScsiRequest(VirtioScsi controller, int maxBuffers, Action<StorageRequest> completed) : base(maxBuffers, completed) => _controller = controller;

    /// <summary>The command descriptor block, with zeros behind it.</summary>
    internal ReadOnlySpan<byte> Command => _command;

    /// <summary>What the driver calls the command.</summary>
    internal ulong Tag { get; private set; }

    /// <summary>The disk that it is for; null: none, or one that is not there.</summary>
    internal ScsiDisk? Disk => _disk;

    /// <inheritdoc/>
    internal override bool IsRead => _operation == ScsiOperation.Read;

    /// <summary>Disks of this bus have no limits that would charge it.</summary>
    internal override long TransferBytes => -1;

    /// <inheritdoc/>
    internal override string Verb => _operation switch
    {
        ScsiOperation.Read => "read",
        ScsiOperation.Flush => "flushed",
        ScsiOperation.Discard => "discarded",
        _ => "written",
    };

    /// <inheritdoc/>
    internal override StorageErrors Errors => _disk!.Errors;

    /// <summary>Copies the header and the command. False without a whole header or room for a whole response: there is nothing to answer then.</summary>
    internal override bool Read()
    {
        // The driver's lengths: it may change them between requests.
        int commandBytes = _controller.CommandBytes;
        _senseRoom = _controller.SenseBytes;
        Span<byte> header = stackalloc byte[HeaderBytes];
        _outOffset = HeaderBytes + commandBytes;
        _inOffset = ResponseBytes + _senseRoom;
        _dataOut = Chain.ReadableBytes - _outOffset;
        _dataIn = Chain.WritableBytes - _inOffset;
        if (_dataOut < 0 || _dataIn < 0 || !Chain.TryRead(0, header)) return false;
        _lun = BinaryPrimitives.ReadUInt64BigEndian(header);
        Tag = BinaryPrimitives.ReadUInt64LittleEndian(header[LunBytes..]);
        Array.Clear(_command);
        _ = Chain.TryRead(HeaderBytes, _command.AsSpan(0, Math.Min(commandBytes, LongestCommand)));
        _disk = _controller.FindTarget(_lun);
        Rewind();
        return true;
    }

    /// <inheritdoc/>
    internal override void Rewind()
    {
        base.Rewind();
        _isPlanned = false;
        _operation = ScsiOperation.None;
        _begun = _rangeCount = 0;
        _moved = 0;
        _response = ResponseOk;
        SetStatus(StatusGood, NoSense, 0);
    }

    /// <inheritdoc/>
    internal override void Ignore()
    {
        SetStatus(StatusGood, NoSense, 0);
        if (_operation is ScsiOperation.Read or ScsiOperation.Write) _moved = _length;
    }

    /// <summary>Says that the command was ended by a task management function.</summary>
    internal void Abort(byte response) => _response = response;

    /// <inheritdoc/>
    internal override uint Answer()
    {
        Span<byte> response = stackalloc byte[ResponseBytes + UsualSenseBytes];
        response.Clear();
        response = response[..(ResponseBytes + Math.Min(_senseRoom, UsualSenseBytes))];
        if (_status == StatusCheckCondition)
        {
            Span<byte> sense = stackalloc byte[SenseBytes];
            WriteSense(sense, _senseKey, _senseCode);
            int count = Math.Min(SenseBytes, _senseRoom);
            sense[..count].CopyTo(response[ResponseBytes..]);
            BinaryPrimitives.WriteUInt32LittleEndian(response, (uint)count);
        }
        BinaryPrimitives.WriteUInt32LittleEndian(response[4..], (uint)(_dataOut + _dataIn - _moved));
        response[10] = _status;
        response[11] = _response;
        _ = Chain.TryWrite(0, response);
        // More room for sense data than there is of it leaves a hole.
        return _senseRoom > UsualSenseBytes || _dataIn == 0 ? (uint)response.Length : (uint)(response.Length + _moved);
    }

    /// <summary>Answers with data, as much of it as the command allows.</summary>
    /// <param name="data">All of it.</param>
    /// <param name="allocationBytes">The command's allocation length.</param>
    internal void Send(ReadOnlySpan<byte> data, long allocationBytes)
    {
        if (allocationBytes > _dataIn)
        {
            Overrun();
            return;
        }
        int count = (int)Math.Min(data.Length, allocationBytes);
        _ = Chain.TryWrite(_inOffset, data[..count]);
        _moved = count;
    }

    /// <summary>Copies a list of parameters. False, with the answer set, when the driver's buffers do not hold so much.</summary>
    internal bool Receive(Span<byte> list)
    {
        if (!Peek(0, list))
        {
            Overrun();
            return false;
        }
        _moved = list.Length;
        return true;
    }

    /// <summary>Copies a part of what the driver sends. False when there is not so much.</summary>
    internal bool Peek(long offset, Span<byte> data) => Chain.TryRead(_outOffset + offset, data);

    /// <summary>Answers that the driver's buffers are shorter than what the command says.</summary>
    internal void Overrun() => _response = ResponseOverrun;

    /// <summary>Answers CHECK CONDITION with such sense data.</summary>
    internal void Refuse(byte key, ushort code) => SetStatus(StatusCheckCondition, key, code);

    /// <summary>Storage is to read or write a range of the disk, from or into the driver's buffers.</summary>
    internal void Transfer(ScsiOperation operation, long offset, long lengthBytes, WriteFlags flags)
    {
        if (lengthBytes > (operation == ScsiOperation.Read ? _dataIn : _dataOut)) Overrun();
        else if (lengthBytes != 0) (_operation, _offset, _length, _flags) = (operation, offset, lengthBytes, flags);
    }

    /// <summary>Storage is to flush.</summary>
    internal void Flush() => _operation = ScsiOperation.Flush;

    /// <summary>Storage is to write zeroes, for a block of them that the driver sent.</summary>
    internal void Zero(long offset, long lengthBytes, WriteFlags flags, int sentBytes)
    {
        (_operation, _offset, _length, _flags) = (ScsiOperation.Zero, offset, lengthBytes, flags);
        _moved = sentBytes;
    }

    /// <summary>Storage is to discard one more range; at most <see cref="MostRanges"/>.</summary>
    internal void Discard(long offset, long lengthBytes)
    {
        _operation = ScsiOperation.Discard;
        _ranges[_rangeCount++] = (offset, lengthBytes);
    }

    /// <summary>Fixed sense data (SPC-4 §4.5.3).</summary>
    internal static void WriteSense(Span<byte> sense, byte key, ushort code)
    {
        sense[..SenseBytes].Clear();
        sense[0] = 0x70;
        sense[2] = key;
        sense[7] = SenseBytes - 8;
        BinaryPrimitives.WriteUInt16BigEndian(sense[12..], code);
    }

    /// <inheritdoc/>
    private protected override bool Begin(out ValueTask operation)
    {
        operation = default;
        if (!_isPlanned) Plan();
        // What was refused halfway is not begun.
        if (_operation == ScsiOperation.None || _status != StatusGood || _response != ResponseOk || _begun == Math.Max(1, _rangeCount)) return false;
        BlockNode node = _disk!.Node;
        operation = _operation switch
        {
            ScsiOperation.Read => node.ReadAsync(_offset, Slice(writable: true, _inOffset, _length), default),
            ScsiOperation.Write => node.WriteAsync(_offset, Slice(writable: false, _outOffset, _length), _flags, default),
            ScsiOperation.Zero => node.WriteZeroesAsync(_offset, _length, _flags, default),
            ScsiOperation.Discard => node.DiscardAsync(_ranges[_begun].Offset, _ranges[_begun].LengthBytes, default),
            _ => node.FlushAsync(default),
        };
        return true;
    }

    /// <inheritdoc/>
    private protected override void End()
    {
        _begun++;
        if (_operation is not (ScsiOperation.Read or ScsiOperation.Write)) return;
        _moved = _length;
        if (_operation == ScsiOperation.Read) Chain.MarkWritten(_inOffset, _length);
    }

    /// <inheritdoc/>
    private protected override void Fail()
    {
        bool isFull = Failure is BlockIoException { Errno: BlockIoException.Enospc };
        Refuse(isFull ? DataProtect : MediumError, isFull ? SpaceAllocationFailed : IsRead ? ReadError : WriteError);
        // Some of it may be in the guest's memory already.
        if (IsRead) Chain.MarkWritten(_inOffset, _length);
    }

    private void Plan()
    {
        _isPlanned = true;
        // Commands with data both ways belong to a feature that is not offered (§5.6.3).
        if (_disk is null) _response = ResponseBadTarget;
        else if (_dataIn != 0 && _dataOut != 0) _response = ResponseFailure;
        else if (VirtioScsi.UnitOf(_lun) == 0) _disk.Execute(this);
        else ScsiDisk.ExecuteAbsent(this);
    }

    private void SetStatus(byte status, byte key, ushort code) => (_status, _senseKey, _senseCode) = (status, key, code);
}
