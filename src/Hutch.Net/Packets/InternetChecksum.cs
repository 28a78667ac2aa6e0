using System;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Hutch.Net.Packets;

/// <summary>The Internet checksum (RFC 1071).</summary>
public static class InternetChecksum
{
    /// <summary>The checksum of some bytes, in the order of the processor: store it as it is.</summary>
    public static ushort Of(ReadOnlySpan<byte> data) => (ushort)~Fold(Sum(data));

    /// <summary>
    /// Computes the checksum that a frame's sender left open: it covers everything from <see cref="PacketOffload.ChecksumStart"/> on, the pseudo header's sum included,
    /// which stands in its place. The fields have been checked against the frame's length.
    /// </summary>
    public static void Complete(Span<byte> frame, in PacketOffload offload)
    {
        ushort sum = Of(frame[offload.ChecksumStart..]);
        // 0 would say that a UDP datagram has none; 0xffff is the same number (RFC 768).
        BinaryPrimitives.WriteUInt16LittleEndian(frame[(offload.ChecksumStart + offload.ChecksumOffset)..], sum == 0 ? (ushort)0xffff : sum);
    }

    // Sums of 16-bit words may be taken in wider ones, whose carries are folded in at the end (RFC 1071 §2).
    private static ulong Sum(ReadOnlySpan<byte> data)
    {
        ulong sum = 0;
        ReadOnlySpan<Vector128<uint>> blocks = MemoryMarshal.Cast<byte, Vector128<uint>>(data);
        Vector128<ulong> low = default, high = default;
        foreach (Vector128<uint> block in blocks)
        {
            (Vector128<ulong> first, Vector128<ulong> second) = Vector128.Widen(block);
            low += first;
            high += second;
        }
        sum += Vector128.Sum(low + high);
        data = data[(blocks.Length * 16)..];
        for (; data.Length >= 2; data = data[2..]) sum += BinaryPrimitives.ReadUInt16LittleEndian(data);
        return data.Length == 0 ? sum : sum + data[0];
    }

    private static uint Fold(ulong sum)
    {
        while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
        return (uint)sum;
    }
}
