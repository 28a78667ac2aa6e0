using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.Compression;
using Hutch.Host.DiskIo;
using Hutch.Host.Files;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Compressed clusters: each is deflate data or a zstd frame of its own, at any byte of the file (qcow2 §"Compressed clusters").</summary>
internal sealed class CompressedClusters(Qcow2Guest guest)
{
    // QEMU's decoder for zlib reads any window, but older ones only what QEMU itself writes.
    private const int WindowBits = 12, DeflateLevel = -1, ZstdLevel = 3;

    private readonly Qcow2Metadata _metadata = guest.Metadata;

    /// <summary>Fills <paramref name="destination"/> from <paramref name="within"/> on of the cluster that an entry describes.</summary>
    internal async ValueTask ReadAsync(L2Entry entry, int within, IoVector destination, CancellationToken cancellation)
    {
        (long offset, int length) = entry.Descriptor(_metadata.Geometry);
        NativeBuffer input = guest.Buffers.Rent(length), output = guest.Buffers.Rent(_metadata.Geometry.ClusterBytes);
        try
        {
            await _metadata.File.ReadAsync(offset, new IoVector(new[] { input.Segment(0, length) }), cancellation).ConfigureAwait(false);
            await default(PoolThread);
            Decompress(input.Span[..length], output.Span[.._metadata.Geometry.ClusterBytes]);
            destination.CopyFrom(output.Span.Slice(within, (int)destination.LengthBytes));
        }
        finally
        {
            guest.Buffers.Return(input);
            guest.Buffers.Return(output);
        }
    }

    /// <summary>Compresses a cluster. -1 where that makes it no smaller.</summary>
    internal int Compress(ReadOnlySpan<byte> cluster, Span<byte> destination)
    {
        Span<byte> smaller = destination[..(cluster.Length - 1)];
        if (_metadata.Header.Compression == Qcow2Compression.Zlib) return RawDeflate.Compress(cluster, smaller, DeflateLevel, WindowBits);
        CheckZstd();
        return Zstd.Compress(cluster, smaller, ZstdLevel);
    }

    private void Decompress(ReadOnlySpan<byte> input, Span<byte> cluster)
    {
        int length;
        if (_metadata.Header.Compression == Qcow2Compression.Zlib)
        {
            length = RawDeflate.Decompress(input, cluster);
        }
        else
        {
            CheckZstd();
            length = Zstd.Decompress(input, cluster);
        }
        if (length != cluster.Length) throw new BlockIoException($"\"{_metadata.File.Filename}\": a compressed cluster cannot be decompressed; check the image.");
    }

    private void CheckZstd()
    {
        if (!Zstd.IsAvailable) throw new BlockIoException($"\"{_metadata.File.Filename}\" is compressed with zstd, which needs libzstd.so.1; install it.", BlockIoException.Enotsup);
    }
}
