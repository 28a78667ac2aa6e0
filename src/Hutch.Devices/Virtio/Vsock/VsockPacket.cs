using System;
using System.Buffers.Binary;

namespace Hutch.Devices.Virtio.Vsock;

/// <summary>The header of a packet (struct virtio_vsock_hdr, virtio 1.2 §5.10.6).</summary>
internal readonly record struct VsockPacket
{
    /// <summary>Length of the header in bytes.</summary>
    internal const int Bytes = 44;

    /// <summary>A stream of bytes (§5.10.6).</summary>
    internal const ushort Stream = 1;

    /// <summary>Context ids: the host's, and the least that a guest can have (§5.10.4).</summary>
    internal const ulong HostCid = 2;

    /// <summary>Bits of <see cref="Flags"/> in a shutdown: the sender receives no more, sends no more (§5.10.6.6).</summary>
    internal const uint NoMoreReceived = 1, NoMoreSent = 2, NoMore = 3;

    /// <summary>Context id of the sender.</summary>
    internal ulong SourceCid { get; init; }

    /// <summary>Context id of the receiver.</summary>
    internal ulong TargetCid { get; init; }

    /// <summary>Port of the sender.</summary>
    internal uint SourcePort { get; init; }

    /// <summary>Port of the receiver.</summary>
    internal uint TargetPort { get; init; }

    /// <summary>Bytes behind the header.</summary>
    internal uint Length { get; init; }

    /// <summary>Type of the connection.</summary>
    internal ushort Type { get; init; }

    /// <summary>What it is about.</summary>
    internal VsockOperation Operation { get; init; }

    /// <summary>Bits of the operation's.</summary>
    internal uint Flags { get; init; }

    /// <summary>Bytes that the sender has room for in all (§5.10.6.3).</summary>
    internal uint RoomBytes { get; init; }

    /// <summary>Bytes that the sender has taken out of that room since the connection was made; wraps.</summary>
    internal uint TakenBytes { get; init; }

    /// <summary>Reads a header.</summary>
    internal static VsockPacket Read(ReadOnlySpan<byte> bytes) => new()
    {
        SourceCid = BinaryPrimitives.ReadUInt64LittleEndian(bytes),
        TargetCid = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]),
        SourcePort = BinaryPrimitives.ReadUInt32LittleEndian(bytes[16..]),
        TargetPort = BinaryPrimitives.ReadUInt32LittleEndian(bytes[20..]),
        Length = BinaryPrimitives.ReadUInt32LittleEndian(bytes[24..]),
        Type = BinaryPrimitives.ReadUInt16LittleEndian(bytes[28..]),
        Operation = (VsockOperation)BinaryPrimitives.ReadUInt16LittleEndian(bytes[30..]),
        Flags = BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..]),
        RoomBytes = BinaryPrimitives.ReadUInt32LittleEndian(bytes[36..]),
        TakenBytes = BinaryPrimitives.ReadUInt32LittleEndian(bytes[40..]),
    };

    /// <summary>Writes the header.</summary>
    internal void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, SourceCid);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], TargetCid);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[16..], SourcePort);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[20..], TargetPort);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[24..], Length);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[28..], Type);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[30..], (ushort)Operation);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[32..], Flags);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[36..], RoomBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[40..], TakenBytes);
    }

    /// <summary>The reset that answers it.</summary>
    internal VsockPacket Refusal() => new()
    {
        SourceCid = TargetCid, TargetCid = SourceCid, SourcePort = TargetPort, TargetPort = SourcePort, Type = Type, Operation = VsockOperation.Reset,
    };
}

/// <summary>What a packet is about (enum virtio_vsock_op, virtio 1.2 §5.10.6).</summary>
internal enum VsockOperation : ushort
{
    /// <summary>Nothing.</summary>
    Invalid = 0,

    /// <summary>Make a connection.</summary>
    Request = 1,

    /// <summary>The connection is made.</summary>
    Response = 2,

    /// <summary>There is no connection, or no more.</summary>
    Reset = 3,

    /// <summary>The sender receives or sends no more.</summary>
    Shutdown = 4,

    /// <summary>Bytes.</summary>
    ReadWrite = 5,

    /// <summary>How much room there is.</summary>
    CreditUpdate = 6,

    /// <summary>How much room is there?</summary>
    CreditRequest = 7,
}
