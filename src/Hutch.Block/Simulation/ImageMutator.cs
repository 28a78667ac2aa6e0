using System;
using System.Buffers.Binary;
using Hutch.Block.Formats.Vhdx;
using Hutch.Block.Formats.Vpc;

namespace Hutch.Block.Simulation;

/// <summary>Damages images at places that matter, for <see cref="ImageFuzz"/>.</summary>
/// <param name="random">Decides.</param>
internal sealed class ImageMutator(Random random)
{
    private const int MaxChanges = 4, OneInIsCut = 10;

    /// <summary>A copy of an image with some changes; checksums that would hide what lies behind them are right.</summary>
    /// <param name="format">Its format.</param>
    /// <param name="image">The image, of at most 2 GiB; pages without a change are shared with it.</param>
    /// <param name="places">Ranges of the file that decide about the rest; a range that is given twice is chosen twice as often.</param>
    internal MemoryNode Damage(string format, MemoryNode image, params ReadOnlySpan<(int Start, int End)> places)
    {
        MemoryNode damaged = image.Copy();
        int length = (int)image.LengthBytes;
        for (int changes = random.Next(1, 1 + MaxChanges); changes > 0; changes--)
        {
            (int start, int end) = places[random.Next(places.Length)];
            int at = random.Next(start, Math.Min(end, length));
            Change(damaged, at, mayBeLong: at <= length - sizeof(ulong));
        }
        if (random.Next(OneInIsCut) == 0) damaged.SetLength(random.Next(length));
        Reseal(format, damaged);
        return damaged;
    }

    private void Change(MemoryNode image, int at, bool mayBeLong)
    {
        Span<byte> value = stackalloc byte[sizeof(ulong)];
        if (mayBeLong && random.Next(3) == 0) BinaryPrimitives.WriteUInt64LittleEndian(value, Interesting());
        else (value = value[..1])[0] = (byte)random.Next(256);
        image.Write(at, value);
    }

    private ulong Interesting() => random.Next(6) switch
    {
        0 => 0,
        1 => ulong.MaxValue,
        2 => 1UL << random.Next(64),
        3 => (1UL << random.Next(64)) - 1,
        4 => BinaryPrimitives.ReverseEndianness(1UL << random.Next(64)),
        _ => (ulong)random.NextInt64(),
    };

    private static void Reseal(string format, MemoryNode image)
    {
        long length = image.LengthBytes;
        if (format == "vpc" && length >= 1536)
        {
            Reseal(image, 0, 512, 64, VpcChecksum.Put);
            Reseal(image, 512, 1024, 36, VpcChecksum.Put);
            Reseal(image, length - 512, 512, 64, VpcChecksum.Put);
        }
        if (format != "vhdx" || length < 1 << 20) return;
        Reseal(image, 65536, 4096, 4, VhdxChecksum.Put);
        Reseal(image, 131072, 4096, 4, VhdxChecksum.Put);
        Reseal(image, 196608, 65536, 4, VhdxChecksum.Put);
    }

    private static void Reseal(MemoryNode image, long start, int length, int offset, PutChecksum put)
    {
        byte[] bytes = new byte[length];
        image.Read(start, bytes);
        put(bytes, offset);
        image.Write(start, bytes);
    }

    private delegate void PutChecksum(Span<byte> bytes, int offset);
}
