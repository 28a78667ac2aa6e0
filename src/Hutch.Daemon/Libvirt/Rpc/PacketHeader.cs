using System;
using System.Buffers.Binary;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>What a packet is (libvirt RPC protocol, virNetMessageType).</summary>
internal enum PacketType
{
    Call,
    Reply,
    Message,
    Stream,
    CallWithFds,
    ReplyWithFds,
    StreamHole,
}

/// <summary>How a packet's sender fares (virNetMessageStatus).</summary>
internal enum PacketStatus
{
    Ok,
    Error,
    Continue,
}

/// <summary>The six words after a packet's length, which counts itself (libvirt RPC protocol, "Header").</summary>
internal readonly record struct PacketHeader(uint Program, uint Version, int Procedure, PacketType Type, uint Serial, PacketStatus Status)
{
    /// <summary>Bytes of the length and of the header: the shortest packet.</summary>
    internal const int Bytes = 28;

    /// <summary>The longest packet in bytes, its length and header included (VIR_NET_MESSAGE_MAX and the length).</summary>
    internal const int LongestPacket = 32 * 1024 * 1024 + 4;

    /// <summary>Version of every program.</summary>
    internal const uint CurrentVersion = 1;

    /// <summary>Reads the words that follow the length.</summary>
    internal static PacketHeader Read(ReadOnlySpan<byte> packet) => new(
        BinaryPrimitives.ReadUInt32BigEndian(packet[4..]), BinaryPrimitives.ReadUInt32BigEndian(packet[8..]), BinaryPrimitives.ReadInt32BigEndian(packet[12..]),
        (PacketType)BinaryPrimitives.ReadInt32BigEndian(packet[16..]), BinaryPrimitives.ReadUInt32BigEndian(packet[20..]), (PacketStatus)BinaryPrimitives.ReadInt32BigEndian(packet[24..]));

    /// <summary>The whole packet: length, header and payload.</summary>
    internal byte[] Frame(ReadOnlySpan<byte> payload)
    {
        byte[] packet = new byte[Bytes + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(packet, packet.Length);
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(4), Program);
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(8), Version);
        BinaryPrimitives.WriteInt32BigEndian(packet.AsSpan(12), Procedure);
        BinaryPrimitives.WriteInt32BigEndian(packet.AsSpan(16), (int)Type);
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(20), Serial);
        BinaryPrimitives.WriteInt32BigEndian(packet.AsSpan(24), (int)Status);
        payload.CopyTo(packet.AsSpan(Bytes));
        return packet;
    }
}
