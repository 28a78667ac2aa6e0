using System;
using System.Buffers.Binary;
using Hutch.Net;
using Hutch.Net.Packets;

namespace Hutch.Devices.Ethernet;

/// <summary>
/// Makes frames of a packet as cards with offloads do: cuts it into segments, with lengths, identifications and sequence numbers that go on, and completes checksums.
/// Used by the card's worker.
/// </summary>
internal sealed class FrameCutter(EthernetCard card)
{
    private const int TagAt = 12, TagBytes = 4;
    private const byte TcpFinishPush = 0x09;

    private readonly byte[] _frame = new byte[PacketOffload.LongestFrame];
    private int _done;

    /// <summary>Frames of the packet that is being sent which the back end has taken.</summary>
    internal int Frames { get; private set; }

    /// <summary>Bytes of the last packet's frames together.</summary>
    internal long Bytes { get; private set; }

    /// <summary>Forgets a packet that was begun.</summary>
    internal void Reset() => (_done, Frames, Bytes) = (0, 0, 0);

    /// <summary>Sends the packet, or what is left of it. False: the back end takes no more now, and the same packet is to come again.</summary>
    internal bool Send(ReadOnlySpan<byte> packet, in SendOffload offload, bool loop)
    {
        if (_done == 0) Reset();
        int header = offload.Segments ? offload.HeaderBytes : 0;
        // Headers that the packet does not have, or segments of nothing: no frame that a receiver could make sense of.
        if (offload.Segments && (header >= packet.Length || offload.SegmentBytes == 0)) return true;
        int payload = packet.Length - header, each = offload.Segments ? offload.SegmentBytes : payload;
        // The guest may have made another packet of the one that was begun.
        if (_done > payload) Reset();
        do
        {
            int part = Math.Min(each, payload - _done);
            int length = Compose(packet, header, part, offload);
            if (length == 0) break;
            if (!card.Send(_frame.AsSpan(0, length), loop)) return false;
            Frames++;
            Bytes += length;
            _done += part;
        }
        while (_done < payload);
        _done = 0;
        return true;
    }

    // One frame of the packet; its length, or 0 where it would be longer than any frame is.
    private int Compose(ReadOnlySpan<byte> packet, int header, int part, in SendOffload offload)
    {
        int length = header + part;
        if (length + TagBytes > _frame.Length) return 0;
        packet[..header].CopyTo(_frame);
        packet.Slice(header + _done, part).CopyTo(_frame.AsSpan(header));
        Span<byte> frame = _frame.AsSpan(0, length);
        if (offload.Segments) Continue(frame, offload, isLast: header + _done + part == packet.Length);
        if (offload.SumsIp) Sum(frame, offload.IpStart, offload.IpSumAt, offload.IpSumEnd, zeroIsNone: false);
        if (offload.SumsTransport) Sum(frame, offload.TransportStart, offload.TransportSumAt, offload.TransportSumEnd, zeroIsNone: !offload.IsTcp);
        if (offload.Tag is not uint tag || length < TagAt) return length;
        frame[TagAt..].CopyTo(_frame.AsSpan(TagAt + TagBytes));
        BinaryPrimitives.WriteUInt32BigEndian(_frame.AsSpan(TagAt), tag);
        return length + TagBytes;
    }

    // What differs between the segments of a packet (RFC 791 §3.1, RFC 8200 §3, RFC 9293 §3.1).
    private void Continue(Span<byte> frame, in SendOffload offload, bool isLast)
    {
        int ip = offload.IpStart, transport = offload.TransportStart;
        if (offload.IsIPv4)
        {
            Put16(frame, ip + 2, frame.Length - ip);
            Add16(frame, ip + 4, Frames);
        }
        else Put16(frame, ip + 4, frame.Length - ip - 40);
        int bytes = frame.Length - transport;
        if (!offload.IsTcp) Put16(frame, transport + 4, bytes);
        else if (transport + 14 <= frame.Length)
        {
            uint sequence = BinaryPrimitives.ReadUInt32BigEndian(frame[(transport + 4)..]);
            BinaryPrimitives.WriteUInt32BigEndian(frame[(transport + 4)..], sequence + (uint)_done);
            if (!isLast) frame[transport + 13] &= unchecked((byte)~TcpFinishPush);
        }
        // The driver left the length out of the pseudo header's sum, for it is each segment's own.
        if (offload.SumsTransport && offload.TransportSumAt + 2 <= frame.Length && bytes >= 0)
        {
            uint sum = BinaryPrimitives.ReadUInt16BigEndian(frame[offload.TransportSumAt..]) + (uint)bytes;
            sum = (sum & 0xffff) + (sum >> 16);
            Put16(frame, offload.TransportSumAt, (int)((sum & 0xffff) + (sum >> 16)));
        }
    }

    // A datagram whose checksum is 0 has none; all ones is the same number (RFC 768).
    private static void Sum(Span<byte> frame, int start, int at, int last, bool zeroIsNone)
    {
        int end = last != 0 && last < frame.Length ? last + 1 : frame.Length;
        if (start >= end || at + 2 > frame.Length) return;
        ushort sum = InternetChecksum.Of(frame[start..end]);
        BinaryPrimitives.WriteUInt16LittleEndian(frame[at..], sum == 0 && zeroIsNone ? (ushort)0xffff : sum);
    }

    private static void Put16(Span<byte> frame, int at, int value)
    {
        if (at + 2 <= frame.Length) BinaryPrimitives.WriteUInt16BigEndian(frame[at..], (ushort)value);
    }

    private static void Add16(Span<byte> frame, int at, int value)
    {
        if (at + 2 <= frame.Length) Put16(frame, at, BinaryPrimitives.ReadUInt16BigEndian(frame[at..]) + value);
    }
}
