using System;
using System.Buffers.Binary;
using Hutch.Core.Memory;
using Hutch.Core.State;
using static Hutch.Devices.Ethernet.E1000.E1000Registers;

namespace Hutch.Devices.Ethernet.E1000;

/// <summary>The receiving half: filters, and frames into the driver's buffers (§3.2). Under the card's lock.</summary>
internal sealed class E1000Receiver(GuestMemory memory, E1000Interrupts interrupts, E1000Statistics statistics)
{
    private const int CheckBytes = 4, TagBytes = 4, LongestFrame = 1522, LongestLong = 16_384;

    private readonly byte[] _descriptor = new byte[DescriptorBytes];
    private bool _received;

    /// <summary>RDBAL to RDT.</summary>
    internal E1000Ring Ring { get; } = new();

    /// <summary>The address filters.</summary>
    internal E1000Filter Filter { get; } = new();

    /// <summary>RCTL.</summary>
    internal uint Control { get; set; }

    /// <summary>RXCSUM.</summary>
    internal uint Checksums { get; set; }

    /// <summary>VET.</summary>
    internal uint VlanType { get; set; }

    /// <summary>RDTR and RADV.</summary>
    internal (uint Delay, uint AtMost) Delays { get; set; }

    /// <summary>The receiver is on.</summary>
    internal bool IsEnabled => (Control & ReceiveEnable) != 0;

    // RCTL.BSIZE and BSEX (§13.4.22): a reserved pair is the smallest of its kind.
    private int BufferBytes => ((Control & ReceiveSizeExtended) != 0, Control >> ReceiveSizeShift & 3) switch
    {
        (false, 0) => 2048, (false, 1) => 1024, (false, 2) => 512, (false, _) => 256,
        (true, 1) => 16_384, (true, 2) => 8192, (true, _) => 4096,
    };

    /// <summary>Power-on state.</summary>
    internal void Reset(ReadOnlySpan<byte> address)
    {
        Ring.Reset();
        Filter.Reset(address);
        (Control, Checksums, VlanType, Delays) = (0, ChecksumTransport, E1000Registers.VlanType, (0, 0));
        _received = false;
    }

    /// <summary>Takes a frame of 60 bytes at least. False: the driver has given no buffers for it; it is to come again.</summary>
    /// <param name="frame">The frame, which may be changed.</param>
    /// <param name="isVerified">Its checksums are right.</param>
    /// <param name="stripsTags">CTRL.VME: a VLAN tag goes into the descriptor.</param>
    internal bool TryReceive(Span<byte> frame, bool isVerified, bool stripsTags)
    {
        if (!IsEnabled) return true;
        bool isTagged = BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) == (ushort)VlanType;
        if (frame.Length + CheckBytes > ((Control & ReceiveLong) == 0 ? LongestFrame : LongestLong))
        {
            statistics.CountTooLong();
            return true;
        }
        if (!Filter.Passes(frame, Control, VlanType, out bool isInexact)) return true;
        byte status = isInexact ? StatusInexact : (byte)0;
        ushort tag = 0;
        if (isTagged && stripsTags)
        {
            status |= StatusVlan;
            tag = BinaryPrimitives.ReadUInt16BigEndian(frame[14..]);
            frame[..12].CopyTo(frame[TagBytes..]);
            frame = frame[TagBytes..];
        }
        status |= ChecksumStatus(frame, isVerified);
        int length = frame.Length + ((Control & ReceiveStripCheck) == 0 ? CheckBytes : 0), size = BufferBytes;
        uint count = (uint)((length + size - 1) / size);
        if (count > Ring.Available)
        {
            // One that no ring of this driver's holds is lost; others wait.
            if (count >= Ring.Size && Ring.Size != 0) return true;
            statistics.CountNoBuffer();
            return false;
        }
        for (uint i = 0; i < count; i++)
        {
            int at = (int)i * size;
            Store(Ring.AddressOf(i), frame, at, Math.Min(size, length - at), i == count - 1 ? (byte)(status | StatusEnd) : status, tag);
        }
        Ring.Advance(count);
        statistics.CountReceived(frame);
        _received = true;
        return true;
    }

    /// <summary>Tells the driver of what came since the last call.</summary>
    internal void Tell()
    {
        if (!_received) return;
        _received = false;
        // RDMTS: a half, a quarter, an eighth of the ring is left.
        if (Ring.Available <= Ring.Size >> (int)(1 + (Control >> ReceiveThresholdShift & 3))) interrupts.Raise(CauseFewBuffers);
        interrupts.RaiseLater(CauseReceived, Delays.Delay, Delays.AtMost);
    }

    /// <summary>Saves or restores the registers.</summary>
    internal void Exchange(StateFields fields)
    {
        uint control = Control, checksums = Checksums, vlanType = VlanType;
        (uint delay, uint atMost) = Delays;
        fields.Value("control", ref control);
        fields.Value("checksums", ref checksums);
        fields.Value("vlan-type", ref vlanType);
        fields.Value("delay", ref delay);
        fields.Value("delay-at-most", ref atMost);
        (Control, Checksums, VlanType, Delays) = (control, checksums, vlanType, (delay, atMost));
        fields.Group("ring", Ring.Exchange);
        fields.Group("filter", Filter.Exchange);
    }

    // One descriptor: its buffer's part of the frame. Behind the frame come four bytes where a wire's check sequence would be; they are zeros, for there was no wire.
    private void Store(ulong descriptor, ReadOnlySpan<byte> frame, int at, int bytes, byte status, ushort tag)
    {
        if (!memory.TryCopyOut(descriptor, _descriptor.AsSpan(0, 8))) return;
        ulong buffer = BinaryPrimitives.ReadUInt64LittleEndian(_descriptor);
        int part = Math.Clamp(frame.Length - at, 0, bytes);
        if (buffer != 0)
        {
            _ = memory.TryCopyIn(buffer, frame.Slice(Math.Min(at, frame.Length), part));
            if (part < bytes) _ = memory.TryCopyIn(buffer + (ulong)part, ((ReadOnlySpan<byte>)[0, 0, 0, 0])[..Math.Min(CheckBytes, bytes - part)]);
        }
        BinaryPrimitives.WriteUInt16LittleEndian(_descriptor.AsSpan(8), (ushort)bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(_descriptor.AsSpan(10), 0);
        _descriptor[13] = 0;
        BinaryPrimitives.WriteUInt16LittleEndian(_descriptor.AsSpan(14), tag);
        // The status says that the rest is there: it is written last.
        _descriptor[12] = 0;
        _ = memory.TryCopyIn(descriptor + 8, _descriptor.AsSpan(8, 8));
        _ = memory.TryWrite(descriptor + 12, (byte)(status | StatusDone));
    }

    // What is verified is right; what is not, the driver looks at itself (§3.2.9).
    private byte ChecksumStatus(ReadOnlySpan<byte> frame, bool isVerified)
    {
        if (!isVerified) return StatusNoChecksums;
        int type = BinaryPrimitives.ReadUInt16BigEndian(frame[12..]);
        bool isIPv4 = type == 0x0800;
        if (!isIPv4 && type != 0x86dd) return StatusNoChecksums;
        byte protocol = frame[isIPv4 ? 23 : 20], status = 0;
        bool isFragment = isIPv4 && (BinaryPrimitives.ReadUInt16BigEndian(frame[20..]) & 0x3fff) != 0;
        if (isIPv4 && (Checksums & ChecksumIp) != 0) status |= StatusIp;
        if (protocol is 6 or 17 && !isFragment && (Checksums & ChecksumTransport) != 0) status |= StatusTransport;
        return status == 0 ? StatusNoChecksums : status;
    }
}
