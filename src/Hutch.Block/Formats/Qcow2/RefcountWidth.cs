using System;
using System.Buffers.Binary;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Refcounts of 1 to 64 bits in a refcount block: big-endian; of several in a byte, the first has the lowest bits (qcow2 §"Refcounts").</summary>
internal static class RefcountWidth
{
    /// <summary>The largest refcount of this width.</summary>
    internal static ulong Max(int order) => order == 6 ? ulong.MaxValue : (1UL << (1 << order)) - 1;

    /// <summary>Reads a refcount.</summary>
    internal static ulong Get(ReadOnlySpan<byte> block, int index, int order) => order switch
    {
        3 => block[index],
        4 => BinaryPrimitives.ReadUInt16BigEndian(block[(index * 2)..]),
        5 => BinaryPrimitives.ReadUInt32BigEndian(block[(index * 4)..]),
        6 => BinaryPrimitives.ReadUInt64BigEndian(block[(index * 8)..]),
        _ => (ulong)(block[index >> (3 - order)] >> Shift(index, order)) & Max(order),
    };

    /// <summary>Writes a refcount, which is at most <see cref="Max"/>.</summary>
    internal static void Set(Span<byte> block, int index, int order, ulong value)
    {
        switch (order)
        {
            case 3:
                block[index] = (byte)value;
                break;
            case 4:
                BinaryPrimitives.WriteUInt16BigEndian(block[(index * 2)..], (ushort)value);
                break;
            case 5:
                BinaryPrimitives.WriteUInt32BigEndian(block[(index * 4)..], (uint)value);
                break;
            case 6:
                BinaryPrimitives.WriteUInt64BigEndian(block[(index * 8)..], value);
                break;
            default:
                ref byte holder = ref block[index >> (3 - order)];
                int shift = Shift(index, order);
                holder = (byte)((holder & ~((int)Max(order) << shift)) | ((int)value << shift));
                break;
        }
    }

    private static int Shift(int index, int order) => (index & ((1 << (3 - order)) - 1)) << order;
}
