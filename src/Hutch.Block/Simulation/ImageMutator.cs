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
    /// <param name="image">The image.</param>
    /// <param name="places">Ranges of the file that decide about the rest; a range that is given twice is chosen twice as often.</param>
    internal byte[] Damage(string format, ReadOnlySpan<byte> image, params ReadOnlySpan<(int Start, int End)> places)
    {
        byte[] damaged = image.ToArray();
        for (int changes = random.Next(1, 1 + MaxChanges); changes > 0; changes--)
        {
            (int start, int end) = places[random.Next(places.Length)];
            int at = random.Next(start, Math.Min(end, damaged.Length));
            if (at <= damaged.Length - 8 && random.Next(3) == 0) BinaryPrimitives.WriteUInt64LittleEndian(damaged.AsSpan(at), Interesting());
            else damaged[at] = (byte)random.Next(256);
        }
        if (random.Next(OneInIsCut) == 0) damaged = damaged[..random.Next(damaged.Length)];
        Reseal(format, damaged);
        return damaged;
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

    private static void Reseal(string format, byte[] image)
    {
        if (format == "vpc" && image.Length >= 1536)
        {
            VpcChecksum.Put(image.AsSpan(0, 512), 64);
            VpcChecksum.Put(image.AsSpan(512, 1024), 36);
            VpcChecksum.Put(image.AsSpan(image.Length - 512), 64);
        }
        if (format != "vhdx" || image.Length < 1 << 20) return;
        VhdxChecksum.Put(image.AsSpan(65536, 4096), 4);
        VhdxChecksum.Put(image.AsSpan(131072, 4096), 4);
        VhdxChecksum.Put(image.AsSpan(196608, 65536), 4);
    }
}
