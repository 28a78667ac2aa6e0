using System;
using System.Buffers;
using System.Buffers.Binary;
using System.IO;
using System.IO.Compression;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.DiskIo;

namespace Hutch.Block.Formats.Vmdk;

/// <summary>Compressed grains (VMware Virtual Disk Format 5.0, "Stream-Optimized Compressed Sparse Extents"): zlib data, with a marker of place and length before it.</summary>
internal sealed class VmdkGrainCodec(BlockNode file, VmdkSparseHeader header)
{
    private const int MarkerBytes = 12, SectorBytes = 512, MaxGrowth = 1024;

    /// <summary>Reads and unpacks the grain that lies at <paramref name="place"/>; what is missing at its end are zeros.</summary>
    internal async ValueTask ReadAsync(long place, byte[] grain, CancellationToken cancellation)
    {
        int available = (int)Math.Min(grain.Length + MaxGrowth, file.LengthBytes - place);
        byte[] stored = ArrayPool<byte>.Shared.Rent(grain.Length + MaxGrowth);
        try
        {
            await file.ReadBytesAsync(place, stored.AsMemory(0, available), cancellation).ConfigureAwait(false);
            int start = 0, length = available;
            if (header.HasMarkers)
            {
                uint marked = available < MarkerBytes ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(stored.AsSpan(8));
                if (marked == 0 || marked > available - MarkerBytes) throw new BlockIoException($"\"{file.Filename}\": the compressed grain at {place} is cut off.");
                (start, length) = (MarkerBytes, (int)marked);
            }
            await default(PoolThread);
            Decompress(stored, start, length, grain, place);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(stored);
        }
    }

    /// <summary>Packs a grain; the result's length in <paramref name="destination"/>, -1 where it would not be shorter. Any thread.</summary>
    internal static int Compress(ReadOnlySpan<byte> grain, Span<byte> destination)
    {
        (byte[] bytes, int length) = Pack(grain, CompressionLevel.Optimal);
        if (length >= destination.Length) return -1;
        bytes.AsSpan(0, length).CopyTo(destination);
        return length;
    }

    /// <summary>A grain as zlib data that is not packed: the format knows no other kind.</summary>
    internal static (byte[] Bytes, int LengthBytes) Store(ReadOnlySpan<byte> grain) => Pack(grain, CompressionLevel.NoCompression);

    /// <summary>What is written for a packed grain: marker, data, zeros up to a sector's end.</summary>
    internal byte[] Wrap(long sector, ReadOnlySpan<byte> compressed)
    {
        int head = header.HasMarkers ? MarkerBytes : 0;
        byte[] bytes = new byte[(head + compressed.Length + SectorBytes - 1) / SectorBytes * SectorBytes];
        if (head != 0)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes, sector);
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), compressed.Length);
        }
        compressed.CopyTo(bytes.AsSpan(head));
        return bytes;
    }

    private static (byte[] Bytes, int LengthBytes) Pack(ReadOnlySpan<byte> grain, CompressionLevel level)
    {
        using MemoryStream stream = new(grain.Length + MaxGrowth);
        using (ZLibStream zlib = new(stream, level, leaveOpen: true)) zlib.Write(grain);
        return (stream.GetBuffer(), (int)stream.Length);
    }

    private void Decompress(byte[] stored, int start, int length, byte[] grain, long place)
    {
        try
        {
            using MemoryStream stream = new(stored, start, length, writable: false);
            using ZLibStream zlib = new(stream, CompressionMode.Decompress);
            int made = zlib.ReadAtLeast(grain, grain.Length, throwOnEndOfStream: false);
            grain.AsSpan(made).Clear();
            if (made == 0) throw new BlockIoException($"\"{file.Filename}\": the compressed grain at {place} is damaged.");
        }
        catch (InvalidDataException e)
        {
            throw new BlockIoException($"\"{file.Filename}\": the compressed grain at {place} is damaged.", e);
        }
    }
}
