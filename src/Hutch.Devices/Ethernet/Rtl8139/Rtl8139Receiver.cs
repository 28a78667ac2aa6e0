using System;
using System.Buffers.Binary;
using Hutch.Core.Memory;
using static Hutch.Devices.Ethernet.Rtl8139.Rtl8139Registers;

namespace Hutch.Devices.Ethernet.Rtl8139;

/// <summary>
/// The receiving half: into descriptors in C+ mode (RTL8139C+ §9.2), or one behind the other into a ring of bytes in C mode (§5.7). Under the card's lock. Behind each frame
/// are four zeros where a wire's check sequence would be.
/// </summary>
internal sealed class Rtl8139Receiver(Rtl8139Card card, GuestMemory memory)
{
    private const int CheckBytes = 4, HeaderBytes = 4, VlanType = 0x8100;

    private static readonly byte[] Check = new byte[CheckBytes];

    private readonly byte[] _scratch = new byte[DescriptorBytes];

    /// <summary>Takes a frame of 60 bytes at least. False: the driver has no room for it now.</summary>
    internal bool TryReceive(Span<byte> frame, bool isVerified)
    {
        if ((card.Byte(Command) & CommandReceive) == 0) return true;
        if (Rtl8139Filter.Accept(frame, card.Bytes, card.Word32(ReceiveConfig)) is not uint passedAs) return true;
        Result result = (card.Byte(PlusCommand) & PlusReceive) != 0 ? IntoDescriptor(frame, isVerified, passedAs) : IntoRing(frame, passedAs);
        if (result == Result.Taken) card.Received(passedAs);
        else card.Raise(result == Result.NoRoom ? NoDescriptor : Overflow);
        return result != Result.NoRoom;
    }

    private enum Result { Taken, NoRoom, TooLong }

    private Result IntoDescriptor(Span<byte> frame, bool isVerified, uint passedAs)
    {
        ulong at = card.Word64(ReceiveRing) + ((ulong)card.ReceiveIndex * DescriptorBytes);
        if (!memory.TryCopyOut(at, _scratch)) return Result.TooLong;
        uint order = BinaryPrimitives.ReadUInt32LittleEndian(_scratch);
        if ((order & Own) == 0) return Result.NoRoom;
        ulong buffer = BinaryPrimitives.ReadUInt64LittleEndian(_scratch.AsSpan(8));
        uint tag = 0;
        if ((card.Byte(PlusCommand) & PlusTags) != 0 && BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) == VlanType)
        {
            // The tag is in the order of the wire.
            tag = ReceivedTag | BinaryPrimitives.ReadUInt16LittleEndian(frame[14..]);
            frame[..12].CopyTo(frame[4..]);
            frame = frame[4..];
        }
        int length = frame.Length + CheckBytes;
        if (length > (int)(order & 0x1fff)) return Result.TooLong;
        _ = memory.TryCopyIn(buffer, frame);
        _ = memory.TryCopyIn(buffer + (ulong)frame.Length, Check);
        _ = memory.TryWrite(at + 4, tag);
        // The word that gives the descriptor back is the last.
        _ = memory.TryWrite(at, (order & EndOfRing) | First | Last | passedAs | (isVerified && (card.Byte(PlusCommand) & PlusChecksums) != 0 ? Protocol(frame) << ProtocolShift : 0) | (uint)length);
        card.ReceiveIndex = (order & EndOfRing) != 0 ? 0 : card.ReceiveIndex + 1;
        return Result.Taken;
    }

    // What was verified: 1 TCP, 2 UDP, 3 an IP header alone.
    private static uint Protocol(ReadOnlySpan<byte> frame)
    {
        if (BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) != 0x0800) return 0;
        bool isFragment = (BinaryPrimitives.ReadUInt16BigEndian(frame[20..]) & 0x3fff) != 0;
        return isFragment ? 3u : frame[23] switch { 6 => 1, 17 => 2, _ => 3 };
    }

    private Result IntoRing(ReadOnlySpan<byte> frame, uint passedAs)
    {
        uint config = card.Word32(ReceiveConfig), size = 8192u << (int)(config >> BufferShift & 3), start = card.Word32(ReceiveBuffer);
        // The driver's pointer is 16 bytes behind what it has read (§6.10).
        uint write = card.Word16(WritePointer) % size, read = (uint)(card.Word16(ReadPointer) + 16) % size;
        uint whole = (uint)(HeaderBytes + frame.Length + CheckBytes + 3) & ~3u, room = (read + size - write - 1) % size + 1;
        if (whole >= size) return Result.TooLong;
        if (whole >= room) return Result.NoRoom;
        bool wraps = (config & NoWrap) == 0 || size == 65_536;
        ushort status = (ushort)(ReceiveOk | (passedAs & (ReceivedBroadcast | ReceivedGroup | ReceivedOwn)) switch { ReceivedBroadcast => 1 << 13, ReceivedOwn => 1 << 14, ReceivedGroup => 1 << 15, _ => 0 });
        BinaryPrimitives.WriteUInt16LittleEndian(_scratch, status);
        BinaryPrimitives.WriteUInt16LittleEndian(_scratch.AsSpan(2), (ushort)(frame.Length + CheckBytes));
        Put(_scratch.AsSpan(0, HeaderBytes), write);
        Put(frame, write + HeaderBytes);
        Put(Check, write + HeaderBytes + (uint)frame.Length);
        card.SetWord16(WritePointer, (ushort)((write + whole) % size));
        return Result.Taken;

        void Put(ReadOnlySpan<byte> bytes, uint at)
        {
            int before = wraps && at + bytes.Length > size ? (int)Math.Max(0, (long)size - at) : bytes.Length;
            if (wraps && at >= size) (at, before) = (at - size, bytes.Length);
            _ = memory.TryCopyIn(start + (ulong)at, bytes[..before]);
            if (before < bytes.Length) _ = memory.TryCopyIn(start, bytes[before..]);
        }
    }
}
