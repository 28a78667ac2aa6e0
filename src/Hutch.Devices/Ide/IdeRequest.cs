using System;
using System.Buffers.Binary;
using Hutch.Block.Graph;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Ata;
using Hutch.Host.Files;
using static Hutch.Devices.Ide.IdeRegisters;

namespace Hutch.Devices.Ide;

/// <summary>
/// The command of a channel. Its memory is the guest's, by the bus master's table, or the channel's buffer, which the guest empties and fills through the data port;
/// long transfers go through that part by part.
/// </summary>
internal sealed class IdeRequest(IdeChannel channel, Action<IdeRequest> completed) : AtaRequest
{
    private const int SectorBytes = 512;

    private long _leftBytes, _nextOffset;

    /// <summary>Its channel.</summary>
    internal IdeChannel Channel => channel;

    /// <summary>Data goes by the bus master. A packet that moves none needs no bus master, whatever it says.</summary>
    internal bool IsDma => IsPacket ? (Features & 1) != 0 && AtaCdRom.MovesData(Packet)
        : Command is AtaRegisters.ReadDma or AtaRegisters.ReadDmaExt or AtaRegisters.WriteDma or AtaRegisters.WriteDmaExt or AtaRegisters.WriteDmaFuaExt
            or AtaRegisters.DataSetManagement or AtaRegisters.ReadLogDmaExt;

    /// <summary>It is a packet command.</summary>
    internal bool IsPacket => Command == AtaRegisters.Packet;

    /// <summary>Bytes of a programmed transfer that are not in the buffer yet, or not stored.</summary>
    internal long LeftBytes => _leftBytes;

    /// <summary>The most bytes that a block of a packet command's data may have; even (ATA/ATAPI-6 §8.23). 0: the guest gave no limit, which it must.</summary>
    internal int LimitBytes => Math.Min((int)(Lba >> 8) & 0xffff, 0xfffe) & ~1;

    /// <summary>Where its packet goes.</summary>
    internal Span<byte> PacketBuffer => PacketSpace[..PacketBytes];

    /// <summary>Begins with what the guest wrote into the registers.</summary>
    internal void Take(IdeTaskFile registers, byte command)
    {
        Reset();
        Command = command;
        (Device, Lba, Features, RequestedCount) = (registers.Device, registers.Lba, registers.Features, registers.Count);
        _leftBytes = _nextOffset = 0;
        PacketSpace.Clear();
    }

    /// <summary>Finds the memory of the bus master's table. False where some of it, or the table, is no RAM.</summary>
    internal bool UseTable(GuestMemory memory, uint table)
    {
        Span<byte> region = stackalloc byte[RegionBytes];
        for (int i = 0; i < MostRegions; i++, table += RegionBytes)
        {
            if (!memory.TryCopyOut(table, region)) return false;
            uint address = BinaryPrimitives.ReadUInt32LittleEndian(region) & ~1u, what = BinaryPrimitives.ReadUInt32LittleEndian(region[4..]);
            uint length = what & 0xfffe;
            Reserve(i + 1);
            if (!Add(memory, address, length == 0 ? 0x1_0000 : length)) return false;
            if ((what & LastRegion) != 0) return true;
        }
        return true;
    }

    /// <summary>Takes the channel's buffer as its memory.</summary>
    internal void UseBuffer(NativeBuffer buffer) => UseOwn(buffer);

    /// <summary>The drive has said what storage is to do with the buffer: it will be done part by part.</summary>
    internal void BeginParts() => (_leftBytes, _nextOffset) = (LengthBytes, Offset);

    /// <summary>Begins the next part and returns its length in bytes.</summary>
    internal int NextPart(int mostBytes)
    {
        int length = (int)Math.Min(_leftBytes, mostBytes);
        BeginPart(_nextOffset, length);
        return length;
    }

    /// <summary>A part is done.</summary>
    internal void EndPart()
    {
        _leftBytes -= LengthBytes;
        _nextOffset += LengthBytes;
    }

    private protected override void Completed() => completed(this);

    /// <summary>Saves or restores a command that the guest has not given all data for, or not taken all from, or that was not begun; nothing is in flight.</summary>
    /// <param name="fields">The state.</param>
    /// <param name="buffer">Its memory; null: it has none yet.</param>
    /// <param name="node">What the drive's bytes are in; null: its medium is gone.</param>
    internal void Exchange(StateFields fields, NativeBuffer? buffer, BlockNode? node)
    {
        ulong[] numbers = [Command, Device, Lba, Features, RequestedCount, (ulong)Operation, (ulong)Flags, (ulong)_leftBytes, (ulong)_nextOffset, Status, Error, Count];
        fields.Numbers("command", numbers);
        fields.Bytes("packet", PacketBuffer);
        if (!fields.IsRestoring) return;
        Reset();
        if (buffer is not null) UseOwn(buffer);
        (Command, Device, Lba, Features, RequestedCount) = ((byte)numbers[0], (byte)numbers[1], numbers[2] & 0xffff_ffff_ffff, (ushort)numbers[3], (ushort)numbers[4]);
        (Operation, Flags, _leftBytes, _nextOffset) = ((AtaOperation)numbers[5], (WriteFlags)numbers[6], (long)numbers[7], (long)numbers[8]);
        (Status, Error, Count) = ((byte)numbers[9], (byte)numbers[10], (ushort)numbers[11]);
        fields.Require(Operation is AtaOperation.None or AtaOperation.Read or AtaOperation.Write && Flags is WriteFlags.None or WriteFlags.Durable, "command");
        // Where it ends is looked at when it goes on: the medium may have been changed under it.
        fields.Require(_leftBytes >= 0 && _nextOffset >= 0, "command");
        fields.Require((_leftBytes | _nextOffset) % Math.Max(SectorBytes, node?.Limits.RequestAlignmentBytes ?? 0) == 0, "command");
    }
}
