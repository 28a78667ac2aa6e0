using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Core.Memory;
using Hutch.Devices.Storage;
using Hutch.Host.Files;

namespace Hutch.Devices.Ata;

/// <summary>What a drive asks of its storage for a command.</summary>
internal enum AtaOperation
{
    /// <summary>Nothing: the command is answered.</summary>
    None,

    /// <summary>Fill the command's memory.</summary>
    Read,

    /// <summary>Store the command's memory.</summary>
    Write,

    /// <summary>Make all completed writes durable.</summary>
    Flush,

    /// <summary>Give up the ranges in <see cref="AtaRequest.Ranges"/>, one after the other.</summary>
    Trim,
}

/// <summary>
/// A command on its way through a drive: the registers of its task file, its packet, its memory, what storage is to do, and the answer. How the command came and where
/// the answer goes is the controller's, which derives its own. Objects are reused: in the long run none allocates. Used by the controller's worker; only the call
/// that says that an operation completed comes from elsewhere.
/// </summary>
internal abstract class AtaRequest
{
    /// <summary>Bytes that a packet may have (ATA8-ACS §7.21); drives here take 12 of them.</summary>
    internal const int PacketBytes = 16;

    private readonly Action _completed;
    private readonly byte[] _packet = new byte[PacketBytes];
    private GuestBuffer[] _buffers = [];
    private IoSegment[] _segments = [];
    private NativeBuffer? _own;
    private int _count, _rangeAt;
    private bool _begun;
    private PendingOperation _operation;

    /// <summary>Makes one; its <see cref="Completed"/> is called when an operation that was in flight completed.</summary>
    private protected AtaRequest() => _completed = Completed;

    /// <summary>The command register.</summary>
    internal byte Command { get; private protected set; }

    /// <summary>The device register.</summary>
    internal byte Device { get; private protected set; }

    /// <summary>The 48-bit address.</summary>
    internal ulong Lba { get; private protected set; }

    /// <summary>The 16-bit features register.</summary>
    internal ushort Features { get; private protected set; }

    /// <summary>The 16-bit count register.</summary>
    internal ushort RequestedCount { get; private protected set; }

    /// <summary>The packet of a PACKET command.</summary>
    internal ReadOnlySpan<byte> Packet => _packet;

    /// <summary>By which number a queued command is known, 0 to 31.</summary>
    internal int Tag { get; private protected init; }

    /// <summary>A queued command: it has left its slot, and is answered by its tag.</summary>
    internal bool IsQueued { get; set; }

    /// <summary>Its data was announced as programmed input.</summary>
    internal bool IsProgrammedInput { get; set; }

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
    internal AtaOperation Operation { get; set; }

    /// <summary>Where, in bytes.</summary>
    internal long Offset { get; set; }

    /// <summary>How much, in bytes.</summary>
    internal long LengthBytes { get; set; }

    /// <summary>How a write is done.</summary>
    internal WriteFlags Flags { get; set; }

    /// <summary>For <see cref="AtaOperation.Trim"/>: offsets and lengths in bytes.</summary>
    internal List<(long Offset, long LengthBytes)> Ranges { get; } = [];

    /// <summary>The next of a list; its owner's.</summary>
    internal AtaRequest? Next { get; set; }

    /// <summary>Where the packet is written.</summary>
    private protected Span<byte> PacketSpace => _packet;

    /// <summary>Answers with an error, and asks nothing of storage.</summary>
    internal void Refuse(byte error = AtaRegisters.ErrorAbort)
    {
        Operation = AtaOperation.None;
        Status = AtaRegisters.StatusGood | AtaRegisters.StatusError;
        Error = error;
    }

    /// <summary>Copies to the command's memory; returns how many bytes fit.</summary>
    internal int CopyIn(ReadOnlySpan<byte> source)
    {
        int done = 0;
        if (_own is not null)
        {
            done = Math.Min(source.Length, _own.LengthBytes);
            source[..done].CopyTo(_own.Span);
        }
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
        if (_own is not null)
        {
            done = Math.Min(destination.Length, _own.LengthBytes);
            _own.Span[..done].CopyTo(destination);
        }
        for (int i = 0; i < _count && done < destination.Length; i++)
        {
            int part = Math.Min(_buffers[i].Length, destination.Length - done);
            _buffers[i].CopyTo(0, destination.Slice(done, part));
            done += part;
        }
        MovedBytes = (uint)done;
        return done;
    }

    /// <summary>An operation completed, and <see cref="Continue"/> is to be called. Any thread.</summary>
    private protected abstract void Completed();

    /// <summary>Does what is next. True: the command is done; false: an operation is in flight and nothing here may be touched until it completed.</summary>
    /// <param name="node">What the drive's bytes are in; null: it has no medium. A command may outlive the medium that it began with.</param>
    internal bool Advance(BlockNode? node)
    {
        if (Operation == AtaOperation.None) return true;
        try
        {
            if (node is null || (Operation is AtaOperation.Read or AtaOperation.Write && Offset > node.LengthBytes - LengthBytes)) throw new BlockIoException("The medium was changed.");
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
    internal bool Continue(BlockNode? node)
    {
        try
        {
            _operation.Finish();
        }
        catch (Exception refused) when (DiskNodes.IsFailure(refused))
        {
            // Some of it may be in the guest's memory already.
            if (Operation == AtaOperation.Read) MarkWritten();
            Failure = refused;
            return true;
        }
        return Advance(node);
    }

    /// <summary>As new: no memory, no answer.</summary>
    private protected void Reset()
    {
        Failure = null;
        _own = null;
        Operation = AtaOperation.None;
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

    /// <summary>Makes room for so many ranges of guest memory, those that it has included.</summary>
    private protected void Reserve(int ranges)
    {
        if (_buffers.Length >= ranges) return;
        Array.Resize(ref _buffers, Math.Max(16, Math.Max(ranges, 2 * _buffers.Length)));
        Array.Resize(ref _segments, _buffers.Length);
    }

    /// <summary>Adds a range of guest memory, for which room was made. False where some of it is no RAM.</summary>
    private protected bool Add(GuestMemory memory, ulong address, uint lengthBytes)
    {
        if (!memory.TryPin(address, lengthBytes, out _buffers[_count])) return false;
        RoomBytes += lengthBytes;
        _count++;
        return true;
    }

    /// <summary>The memory is the controller's: it takes as much at a time as it has, and the command as much as it likes, part by part.</summary>
    private protected void UseOwn(NativeBuffer memory)
    {
        Reserve(1);
        _own = memory;
        RoomBytes = long.MaxValue;
    }

    /// <summary>The next <see cref="Advance"/> does the operation for another <see cref="Offset"/> and <see cref="LengthBytes"/>.</summary>
    private protected void BeginPart(long offset, long lengthBytes)
    {
        (Offset, LengthBytes, _begun) = (offset, lengthBytes, false);
    }

    private bool Begin(BlockNode node, out ValueTask operation)
    {
        operation = default;
        if (Operation == AtaOperation.Trim)
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
            case AtaOperation.Read when LengthBytes != 0: operation = node.ReadAsync(Offset, Vector(), default); return true;
            case AtaOperation.Write when LengthBytes != 0: operation = node.WriteAsync(Offset, Vector(), Flags, default); return true;
            case AtaOperation.Flush: operation = node.FlushAsync(default); return true;
            default: return false;
        }
    }

    private void Finish()
    {
        if (Operation == AtaOperation.Read) MarkWritten();
        if (Operation is AtaOperation.Read or AtaOperation.Write) MovedBytes = (uint)LengthBytes;
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
        if (_own is not null)
        {
            _segments[used++] = _own.Segment(0, (int)rest);
            rest = 0;
        }
        for (; rest > 0; used++)
        {
            int part = (int)Math.Min(rest, _buffers[used].Length);
            _segments[used] = new IoSegment(_buffers[used].HostAddress, part);
            rest -= part;
        }
        return new IoVector(_segments.AsMemory(0, used));
    }
}
