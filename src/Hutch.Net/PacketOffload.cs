using System;
using System.Buffers.Binary;

namespace Hutch.Net;

/// <summary>What is left to do with a frame: the fields of struct virtio_net_hdr (virtio 1.2 §5.1.6) but the number of buffers.</summary>
/// <param name="Flags"><see cref="NeedsChecksum"/>, <see cref="ChecksumIsValid"/>.</param>
/// <param name="Segmentation"><see cref="None"/>, <see cref="Tcp4"/> or <see cref="Tcp6"/>, perhaps with <see cref="Ecn"/>.</param>
/// <param name="HeaderBytes">Length of the Ethernet, IP and TCP headers together; a hint.</param>
/// <param name="SegmentBytes">Payload of each segment, with a segmentation.</param>
/// <param name="ChecksumStart">First byte of the frame that the checksum covers.</param>
/// <param name="ChecksumOffset">Where it is to be, counted from there; now the pseudo header's sum is there.</param>
public readonly record struct PacketOffload(byte Flags, byte Segmentation, ushort HeaderBytes, ushort SegmentBytes, ushort ChecksumStart, ushort ChecksumOffset)
{
    /// <summary>The checksum is to be computed.</summary>
    public const byte NeedsChecksum = 1;

    /// <summary>The checksum has been verified.</summary>
    public const byte ChecksumIsValid = 2;

    /// <summary>Segmentations.</summary>
    public const byte None = 0, Tcp4 = 1, Tcp6 = 4, Ecn = 0x80;

    /// <summary>Length of the header without the number of buffers.</summary>
    public const int Bytes = 10;

    /// <summary>The longest frame: an IP packet of 65,535 bytes behind an Ethernet header with a VLAN tag.</summary>
    public const int LongestFrame = 65_535 + 18;

    /// <summary>The shortest: an Ethernet header.</summary>
    public const int ShortestFrame = 14;

    /// <summary>Nothing is left to do, and its checksums are right.</summary>
    public static PacketOffload Verified { get; } = new(ChecksumIsValid, None, 0, 0, 0, 0);

    /// <summary>Reads the fields, little endian.</summary>
    public static PacketOffload Read(ReadOnlySpan<byte> header) => new(header[0], header[1], BinaryPrimitives.ReadUInt16LittleEndian(header[2..]),
        BinaryPrimitives.ReadUInt16LittleEndian(header[4..]), BinaryPrimitives.ReadUInt16LittleEndian(header[6..]), BinaryPrimitives.ReadUInt16LittleEndian(header[8..]));

    /// <summary>Writes the fields, little endian.</summary>
    public void Write(Span<byte> header)
    {
        header[0] = Flags;
        header[1] = Segmentation;
        BinaryPrimitives.WriteUInt16LittleEndian(header[2..], HeaderBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], SegmentBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], ChecksumStart);
        BinaryPrimitives.WriteUInt16LittleEndian(header[8..], ChecksumOffset);
    }

    /// <summary>Whether the fields make sense for a frame of this length, from somebody who may use these offloads in this direction.</summary>
    public bool IsSound(long frameBytes, NetOffloads allowed)
    {
        if (frameBytes is < ShortestFrame or > LongestFrame) return false;
        if ((Flags & NeedsChecksum) != 0)
        {
            if ((allowed & NetOffloads.TransmitChecksum) == 0 || ChecksumStart < ShortestFrame || ChecksumStart + ChecksumOffset + 2 > frameBytes) return false;
        }
        NetOffloads needed = (Segmentation & ~Ecn) switch { None => NetOffloads.None, Tcp4 => NetOffloads.TransmitTso4, Tcp6 => NetOffloads.TransmitTso6, _ => (NetOffloads)(-1) };
        if (needed == NetOffloads.None) return Segmentation == None;
        if ((Segmentation & Ecn) != 0) needed |= NetOffloads.Ecn;
        // A segment without its checksum left open would be cut into segments with wrong ones (§5.1.6.2.1).
        return (allowed & needed) == needed && SegmentBytes != 0 && (Flags & NeedsChecksum) != 0;
    }
}
