using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Core.Memory;
using Hutch.Devices.Storage;
using Hutch.Host.Files;
using static Hutch.Devices.Ahci.AhciRegisters;

namespace Hutch.Devices.Ahci;

/// <summary>What a drive asks of its storage for a command.</summary>
internal enum SataOperation
{
    /// <summary>Nothing: the command is answered.</summary>
    None,

    /// <summary>Fill the command's memory.</summary>
    Read,

    /// <summary>Store the command's memory.</summary>
    Write,

    /// <summary>Make all completed writes durable.</summary>
    Flush,

    /// <summary>Give up the ranges in <see cref="SataRequest.Ranges"/>, one after the other.</summary>
    Trim,
}

/// <summary>
/// A command on its way through a drive. One object for each slot, reused: in the long run none allocates. Used by the controller's worker; only the call that
/// says that an operation completed comes from elsewhere.
/// </summary>
internal sealed class SataRequest
{
    // More ranges than drivers use; each costs us memory.
    private const int MostRanges = 4096;

    private readonly Action _completed;
    private readonly byte[] _fis = new byte[TableFisBytes];
    private readonly byte[] _packet = new byte[PacketBytes];
    private GuestBuffer[] _buffers = [];
    private IoSegment[] _segments = [];
    private int _count, _rangeAt;
    private bool _begun;
    private PendingOperation _operation;

    /// <summary>Makes the one of a slot; <paramref name="completed"/> is called on any thread.</summary>
    internal SataRequest(AhciPort port, int slot, Action<SataRequest> completed)
    {
        (Port, Slot) = (port, slot);
        _completed = () => completed(this);
    }

    /// <summary>Its port.</summary>
    internal AhciPort Port { get; }

    /// <summary>Its slot.</summary>
    internal int Slot { get; }

    /// <summary>The next of a list; its owner's.</summary>
    internal SataRequest? Next { get; set; }

    /// <summary>Which run of the port's command list it belongs to; one of an earlier run is forgotten.</summary>
    internal uint Run { get; set; }

    /// <summary>A queued command: it has left its slot, and is answered by its tag.</summary>
    internal bool IsQueued { get; set; }

    /// <summary>Its data was announced as programmed input.</summary>
    internal bool IsProgrammedInput { get; set; }

    /// <summary>Address of the command header, where the count of moved bytes goes.</summary>
    internal ulong Header { get; private set; }

    /// <summary>Bytes that its memory has room for.</summary>
    internal long RoomBytes { get; private set; }

    /// <summary>Bytes that were moved.</summary>
    internal uint MovedBytes { get; set; }

    /// <summary>The answer's status and error registers, and its sector count.</summary>
    internal byte Status { get; set; }

    /// <inheritdoc cref="Status"/>
    internal byte Error { get; set; }

    /// <inheritdoc cref="Status"/>
    internal ushort Count { get; set; }

    /// <summary>What storage said, when it failed.</summary>
    internal Exception? Failure { get; private set; }

    /// <summary>What the drive wants of its storage.</summary>
    internal SataOperation Operation { get; set; }

    /// <summary>Where, in bytes.</summary>
    internal long Offset { get; set; }

    /// <summary>How much, in bytes.</summary>
    internal long LengthBytes { get; set; }

    /// <summary>How a write is done.</summary>
    internal WriteFlags Flags { get; set; }

    /// <summary>For <see cref="SataOperation.Trim"/>: offsets and lengths in bytes.</summary>
    internal List<(long Offset, long LengthBytes)> Ranges { get; } = [];

    /// <summary>The FIS as the guest wrote it (Serial ATA 3.3 §10.5.5).</summary>
    internal ReadOnlySpan<byte> Fis => _fis;

    /// <summary>The packet of a PACKET command.</summary>
    internal ReadOnlySpan<byte> Packet => _packet;

    /// <summary>The 48-bit address.</summary>
    internal ulong Lba => _fis[4] | (ulong)_fis[5] << 8 | (ulong)_fis[6] << 16 | (ulong)_fis[8] << 24 | (ulong)_fis[9] << 32 | (ulong)_fis[10] << 40;

    /// <summary>The 16-bit features register.</summary>
    internal ushort Features => (ushort)(_fis[3] | _fis[11] << 8);

    /// <summary>The 16-bit count register.</summary>
    internal ushort RequestedCount => BinaryPrimitives.ReadUInt16LittleEndian(_fis.AsSpan(12));

    /// <summary>Copies the command out of guest memory and finds its ranges. False when some of it is no RAM or there is too much.</summary>
    internal bool Read(GuestMemory memory, ulong header)
    {
        Span<byte> head = stackalloc byte[HeaderBytes];
        Header = header;
        Reset();
        if (!memory.TryCopyOut(header, head)) return false;
        ulong table = BinaryPrimitives.ReadUInt64LittleEndian(head[8..]) & ~0x7fUL;
        int ranges = BinaryPrimitives.ReadUInt16LittleEndian(head[2..]);
        return ranges <= MostRanges && memory.TryCopyOut(table, _fis) && memory.TryCopyOut(table + PacketPlace, _packet) && FindRanges(memory, table + RangesPlace, ranges);
    }

    /// <summary>Copies to the command's memory; returns how many bytes fit.</summary>
    internal int CopyIn(ReadOnlySpan<byte> source)
    {
        int done = 0;
        for (int i = 0; i < _count && done < source.Length; i++)
        {
            int part = Math.Min(_buffers[i].Length, source.Length - done);
            _buffers[i].CopyFrom(0, source.Slice(done, part));
            done += part;
        }
        MovedBytes = (uint)done;
        return done;
    }

    /// <summary>Copies from the command's memory; returns how many bytes there are.</summary>
    internal int CopyOut(Span<byte> destination)
    {
        int done = 0;
        for (int i = 0; i < _count && done < destination.Length; i++)
        {
            int part = Math.Min(_buffers[i].Length, destination.Length - done);
            _buffers[i].CopyTo(0, destination.Slice(done, part));
            done += part;
        }
        MovedBytes = (uint)done;
        return done;
    }

    /// <summary>Does what is next. True: the command is done; false: an operation is in flight and nothing here may be touched until it completed.</summary>
    internal bool Advance(BlockNode node)
    {
        try
        {
            while (Begin(node, out ValueTask operation))
            {
                if (!_operation.TryFinish(operation, _completed)) return false;
            }
            Finish();
        }
        catch (Exception refused) when (DiskNodes.IsFailure(refused))
        {
            Failure = refused;
        }
        return true;
    }

    /// <summary>Goes on after an operation completed; as <see cref="Advance"/>.</summary>
    internal bool Continue(BlockNode node)
    {
        try
        {
            _operation.Finish();
        }
        catch (Exception refused) when (DiskNodes.IsFailure(refused))
        {
            // Some of it may be in the guest's memory already.
            if (Operation == SataOperation.Read) MarkWritten();
            Failure = refused;
            return true;
        }
        return Advance(node);
    }

    private void Reset()
    {
        Failure = null;
        Operation = SataOperation.None;
        Flags = WriteFlags.None;
        Status = AtaRegisters.StatusGood;
        Error = 0;
        Count = 0;
        MovedBytes = 0;
        RoomBytes = 0;
        IsQueued = IsProgrammedInput = _begun = false;
        _count = _rangeAt = 0;
        Ranges.Clear();
    }

    private bool Begin(BlockNode node, out ValueTask operation)
    {
        operation = default;
        if (Operation == SataOperation.Trim)
        {
            if (_rangeAt == Ranges.Count) return false;
            (long offset, long length) = Ranges[_rangeAt++];
            operation = node.DiscardAsync(offset, length, default);
            return true;
        }
        if (_begun) return false;
        _begun = true;
        switch (Operation)
        {
            case SataOperation.Read when LengthBytes != 0: operation = node.ReadAsync(Offset, Vector(), default); return true;
            case SataOperation.Write when LengthBytes != 0: operation = node.WriteAsync(Offset, Vector(), Flags, default); return true;
            case SataOperation.Flush: operation = node.FlushAsync(default); return true;
            default: return false;
        }
    }

    private void Finish()
    {
        if (Operation == SataOperation.Read) MarkWritten();
        if (Operation is SataOperation.Read or SataOperation.Write) MovedBytes = (uint)LengthBytes;
    }

    private void MarkWritten()
    {
        long rest = LengthBytes;
        for (int i = 0; i < _count && rest > 0; rest -= _buffers[i++].Length) _buffers[i].MarkWritten(0, (int)Math.Min(rest, _buffers[i].Length));
    }

    // The segments up to the length; the last one may be cut, and is made whole by the next command's ranges.
    private IoVector Vector()
    {
        long rest = LengthBytes;
        int used = 0;
        for (; rest > 0; used++)
        {
            int part = (int)Math.Min(rest, _buffers[used].Length);
            _segments[used] = new IoSegment(_buffers[used].HostAddress, part);
            rest -= part;
        }
        return new IoVector(_segments.AsMemory(0, used));
    }

    private bool FindRanges(GuestMemory memory, ulong at, int ranges)
    {
        if (_buffers.Length < ranges)
        {
            _buffers = new GuestBuffer[Math.Max(16, ranges)];
            _segments = new IoSegment[_buffers.Length];
        }
        Span<byte> entry = stackalloc byte[RangeBytes];
        for (int i = 0; i < ranges; i++, at += RangeBytes)
        {
            if (!memory.TryCopyOut(at, entry)) return false;
            ulong address = BinaryPrimitives.ReadUInt64LittleEndian(entry) & ~1UL;
            uint length = (BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]) & RangeLengthMask) + 1;
            if (!memory.TryPin(address, length, out _buffers[i])) return false;
            RoomBytes += length;
            _count = i + 1;
        }
        return true;
    }
}
