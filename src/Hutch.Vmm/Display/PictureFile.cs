using System;
using System.Buffers.Binary;
using System.IO;
using System.IO.Compression;
using System.Text;
using Hutch.Devices;
using Hutch.Host.Compression;

namespace Hutch.Vmm.Display;

/// <summary>A picture as a file: PNG (ISO/IEC 15948) with 8 bits for each of red, green and blue, or PPM (netpbm's P6).</summary>
internal static class PictureFile
{
    private const int HeaderBytes = 13;

    private static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a];

    /// <summary>The picture as PNG.</summary>
    internal static byte[] ToPng(ScreenFrame frame)
    {
        using MemoryStream png = new();
        png.Write(Signature);
        Span<byte> header = stackalloc byte[HeaderBytes];
        header.Clear();
        BinaryPrimitives.WriteInt32BigEndian(header, frame.Width);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], frame.Height);
        // 8 bits, colour type 2; the only compression, filtering and no interlacing (§11.2.2).
        (header[8], header[9]) = (8, 2);
        Chunk(png, "IHDR"u8, header);
        using MemoryStream data = new();
        using (ZLibStream packed = new(data, CompressionLevel.Optimal, leaveOpen: true))
        {
            byte[] row = new byte[1 + (3 * frame.Width)];
            for (int y = 0; y < frame.Height; y++)
            {
                Spread(frame.Row(y), row.AsSpan(1));
                packed.Write(row);
            }
        }
        Chunk(png, "IDAT"u8, data.GetBuffer().AsSpan(0, (int)data.Length));
        Chunk(png, "IEND"u8, []);
        return png.ToArray();
    }

    /// <summary>The picture as PPM.</summary>
    internal static byte[] ToPpm(ScreenFrame frame)
    {
        byte[] header = Encoding.ASCII.GetBytes($"P6\n{frame.Width} {frame.Height}\n255\n");
        byte[] ppm = new byte[header.Length + (3 * frame.Width * frame.Height)];
        header.CopyTo(ppm, 0);
        Spread(frame.Pixels, ppm.AsSpan(header.Length));
        return ppm;
    }

    private static void Spread(ReadOnlySpan<uint> pixels, Span<byte> bytes)
    {
        for (int i = 0; i < pixels.Length; i++)
            (bytes[3 * i], bytes[(3 * i) + 1], bytes[(3 * i) + 2]) = ((byte)(pixels[i] >> 16), (byte)(pixels[i] >> 8), (byte)pixels[i]);
    }

    // Length, type, data, and a checksum of the last two (§5.3).
    private static void Chunk(MemoryStream png, ReadOnlySpan<byte> type, ReadOnlySpan<byte> data)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        png.Write(number);
        png.Write(type);
        png.Write(data);
        BinaryPrimitives.WriteUInt32BigEndian(number, Crc32.Append(Crc32.Of(type), data));
        png.Write(number);
    }
}
