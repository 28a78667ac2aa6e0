using System;
using System.Buffers.Binary;
using Hutch.Core.Memory;
using Hutch.Net;
using static Hutch.Devices.Ethernet.Rtl8139.Rtl8139Registers;

namespace Hutch.Devices.Ethernet.Rtl8139;

/// <summary>
/// The sending half: from a ring of descriptors in C+ mode (RTL8139C+ §9.1), from four pairs of registers in C mode (§5.6). Registers change under the card's lock; packets are
/// gathered and sent by the worker without it, and a packet during which the card was reset is given back to nobody.
/// </summary>
internal sealed class Rtl8139Transmitter(Rtl8139Card card, GuestMemory memory)
{
    private const int Slots = 4, MostDescriptors = 256, LeastFrame = 60, IpStart = 14;
    private const byte Tcp = 6, Udp = 17;

    private readonly FrameCutter _cutter = new(card);
    private readonly byte[] _packet = new byte[PacketOffload.LongestFrame], _descriptor = new byte[DescriptorBytes];
    private uint _cutEra;

    /// <summary>Sends up to so many packets. On the worker, without the lock. True: there may be more.</summary>
    internal bool SendSome(int most)
    {
        for (int i = 0; i < most; i++)
            if (!SendOne()) return false;
        return true;
    }

    private bool SendOne()
    {
        bool isPlus;
        uint era;
        lock (card.Registers)
        {
            if ((card.Byte(Command) & CommandSend) == 0 || !card.IsBusMaster) return false;
            (isPlus, era) = ((card.Byte(PlusCommand) & PlusSend) != 0, card.Era);
            if (_cutEra != era) _cutter.Reset();
            _cutEra = era;
        }
        return isPlus ? SendFromRing(era) : SendFromSlot(era);
    }

    private bool SendFromSlot(uint era)
    {
        uint status, slot;
        ulong address;
        lock (card.Registers)
        {
            slot = card.SendSlot;
            status = card.Word32(SendStatus + ((int)slot * 4));
            address = card.Word32(SendAddress + ((int)slot * 4));
            if (era != card.Era || (status & SendOwn) != 0) return false;
        }
        int length = (int)(status & SendBytes);
        if (!memory.TryCopyOut(address, _packet.AsSpan(0, length))) length = 0;
        if (!_cutter.Send(Padded(length), default, card.IsLooped)) return false;
        lock (card.Registers)
        {
            if (era != card.Era) return false;
            card.SetWord32(SendStatus + ((int)slot * 4), status | SendOwn | SendDone);
            card.SendSlot = (slot + 1) % Slots;
            card.Sent();
        }
        return true;
    }

    private bool SendFromRing(uint era)
    {
        ulong ring;
        uint index, order = 0, tag = 0, firstOrder = 0;
        int length = 0, count = 0;
        bool isLong = false;
        lock (card.Registers) (ring, index) = (card.Word64(SendRing), card.SendIndex);
        uint first = index;
        do
        {
            // The driver has not given the packet's end yet. One of more descriptors than drivers use will not have one.
            if (count++ == MostDescriptors || !memory.TryCopyOut(ring + ((ulong)index * DescriptorBytes), _descriptor)) return false;
            order = BinaryPrimitives.ReadUInt32LittleEndian(_descriptor);
            if ((order & Own) == 0) return false;
            if (count == 1) firstOrder = order;
            tag |= BinaryPrimitives.ReadUInt32LittleEndian(_descriptor.AsSpan(4));
            int bytes = (int)(order & 0xffff);
            isLong |= bytes > _packet.Length - length;
            if (!isLong && memory.TryCopyOut(BinaryPrimitives.ReadUInt64LittleEndian(_descriptor.AsSpan(8)), _packet.AsSpan(length, bytes))) length += bytes;
            index = (order & EndOfRing) != 0 ? 0 : index + 1;
        }
        while ((order & Last) == 0);
        if (isLong) length = 0;
        SendOffload offload = Plan(firstOrder, length);
        if ((tag & SendTag) != 0) offload.Tag = 0x8100_0000 | BinaryPrimitives.ReverseEndianness((ushort)tag);
        if (!_cutter.Send(Padded(length), offload, card.IsLooped)) return false;
        lock (card.Registers)
        {
            if (era != card.Era) return false;
            GiveBack(ring, first, count);
            card.SendIndex = index;
            card.Sent();
        }
        return true;
    }

    private void GiveBack(ulong ring, uint index, int count)
    {
        for (int i = 0; i < count; i++)
        {
            ulong at = ring + ((ulong)index * DescriptorBytes);
            if (!memory.TryRead(at, out uint order)) return;
            // The places of the size of segments and of the orders for checksums say how it went; nothing goes wrong here.
            _ = memory.TryWrite(at, order & ~(Own | SentStatus));
            index = (order & EndOfRing) != 0 ? 0 : index + 1;
        }
    }

    private ReadOnlySpan<byte> Padded(int length)
    {
        if (length is 0 or >= LeastFrame) return _packet.AsSpan(0, length);
        _packet.AsSpan(length, LeastFrame - length).Clear();
        return _packet.AsSpan(0, LeastFrame);
    }

    // This card looks into the packet by itself (§9.1): IPv4 without a tag, TCP or UDP. The pseudo header's sum is put where the cutter expects it.
    private SendOffload Plan(uint order, int length)
    {
        bool isLarge = (order & LargeSend) != 0;
        if ((!isLarge && (order & (SumIp | SumTcp | SumUdp)) == 0) || length < IpStart + 20 || BinaryPrimitives.ReadUInt16BigEndian(_packet.AsSpan(12)) != 0x0800) return default;
        int transport = IpStart + ((_packet[IpStart] & 15) * 4), protocol = _packet[IpStart + 9];
        if (transport < IpStart + 20 || transport + 8 > length) return default;
        int header = transport + (protocol == Tcp && transport + 13 <= length ? (_packet[transport + 12] >> 4) * 4 : 8);
        bool sums = isLarge ? protocol == Tcp : protocol == Tcp && (order & SumTcp) != 0 && transport + 18 <= length || protocol == Udp && (order & SumUdp) != 0;
        SendOffload offload = new()
        {
            IpStart = IpStart,
            SumsIp = isLarge || (order & SumIp) != 0,
            IpSumAt = IpStart + 10,
            IpSumEnd = transport - 1,
            TransportStart = transport,
            SumsTransport = sums,
            TransportSumAt = transport + (protocol == Tcp ? 16 : 6),
            Segments = isLarge && protocol == Tcp && header >= transport + 20,
            HeaderBytes = header,
            SegmentBytes = (int)(order >> SegmentShift & SegmentMask),
            IsIPv4 = true,
            IsTcp = protocol == Tcp,
        };
        if (offload.SumsIp) BinaryPrimitives.WriteUInt16BigEndian(_packet.AsSpan(offload.IpSumAt), 0);
        // Ethernet may have filled the frame up: the datagram ends where its header says, unless it is to be cut.
        int end = IpStart + BinaryPrimitives.ReadUInt16BigEndian(_packet.AsSpan(IpStart + 2));
        if (!offload.Segments && end > transport && end < length) offload.TransportSumEnd = end - 1;
        if (sums) PutPseudoSum(offload, protocol, offload.Segments ? 0 : (offload.TransportSumEnd == 0 ? length : end) - transport);
        return offload;
    }

    // The pseudo header (RFC 9293 §3.1): addresses, protocol, length.
    private void PutPseudoSum(in SendOffload offload, int protocol, int length)
    {
        if (offload.TransportSumAt + 2 > _packet.Length) return;
        uint sum = (uint)(protocol + length);
        for (int at = IpStart + 12; at < IpStart + 20; at += 2) sum += BinaryPrimitives.ReadUInt16BigEndian(_packet.AsSpan(at));
        sum = (sum & 0xffff) + (sum >> 16);
        BinaryPrimitives.WriteUInt16BigEndian(_packet.AsSpan(offload.TransportSumAt), (ushort)((sum & 0xffff) + (sum >> 16)));
    }
}
