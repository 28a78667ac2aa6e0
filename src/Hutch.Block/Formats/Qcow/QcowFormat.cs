using System;
using System.Buffers;
using System.Buffers.Binary;
using System.IO;
using System.IO.Compression;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Mapped;
using Hutch.Block.Graph;
using Hutch.Host.DiskIo;

namespace Hutch.Block.Formats.Qcow;

/// <summary>qcow images, the first version, read only: big-endian, two levels of tables, clusters may be compressed.</summary>
internal sealed class QcowFormat : ReadOnlyFormat
{
    private const int HeaderBytes = 48, MaxNameBytes = 1023, MaxFirstEntries = 1 << 22;
    private const long MaxPages = 1 << 23;

    private QcowFormat() { }

    /// <summary>The format.</summary>
    internal static QcowFormat Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "qcow";

    /// <inheritdoc/>
    public override bool HasBacking => true;

    private static ReadOnlySpan<byte> Magic => [(byte)'Q', (byte)'F', (byte)'I', 0xfb];

    /// <inheritdoc/>
    public override int Probe(ReadOnlySpan<byte> head, string fileName) =>
        head.Length >= HeaderBytes && head.StartsWith(Magic) && BinaryPrimitives.ReadUInt32BigEndian(head[4..]) == 1 ? 100 : 0;

    /// <inheritdoc/>
    public override async ValueTask<ImageNode> OpenAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation)
    {
        byte[] head = new byte[HeaderBytes];
        await file.ReadBytesAsync(0, head, cancellation).ConfigureAwait(false);
        if (!head.AsSpan().StartsWith(Magic)) throw new ImageException("Image not in qcow format");
        uint version = BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(4));
        if (version != 1) throw new ImageException($"qcow (v{version}) does not support qcow version 1");
        CheckReadOnly(options);
        ulong length = BinaryPrimitives.ReadUInt64BigEndian(head.AsSpan(24));
        int clusterBits = head[32], tableBits = head[33];
        if (length <= 1) throw new ImageException("Image size is too small (must be at least 2 bytes)");
        if (clusterBits is < 9 or > 16) throw new ImageException("Cluster size must be between 512 and 64k");
        if (tableBits is < 6 or > 13) throw new ImageException("L2 table size must be between 512 and 64k");
        if (BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(36)) != 0) throw new ImageException("Encrypted qcow images of version 1 are not supported", "Convert it with qemu-img to LUKS in qcow2.");
        if (length > long.MaxValue / 2) throw new ImageException("Image too large");
        long reach = 1L << (clusterBits + tableBits), used = ((long)length + reach - 1) / reach;
        if (used * Math.Max(1, (8L << tableBits) / 4096) > MaxPages) throw new ImageException("Image too large");
        ImageReference? reference = await ReadBackingAsync(file, head, cancellation).ConfigureAwait(false);
        ulong[] first = await TwoLevelMap.ReadFirstAsync(file, BinaryPrimitives.ReadUInt64BigEndian(head.AsSpan(40)), used, 8L << tableBits, isBigEndian: true, MaxFirstEntries, cancellation).ConfigureAwait(false);
        BlockNode? backing = await OpenBackingAsync(file, reference, options, cancellation).ConfigureAwait(false);
        return new ReadOnlyImageNode(new QcowMap(file, backing, ((long)length + 511) & -512, clusterBits, first, 1 << tableBits), this, reference);
    }

    private static async ValueTask<ImageReference?> ReadBackingAsync(BlockNode file, byte[] head, CancellationToken cancellation)
    {
        ulong offset = BinaryPrimitives.ReadUInt64BigEndian(head.AsSpan(8));
        uint length = BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(16));
        if (offset == 0) return null;
        if (length > MaxNameBytes || offset > (ulong)Math.Max(0, file.LengthBytes - length)) throw new ImageException("Backing file name too long");
        byte[] name = new byte[length];
        await file.ReadBytesAsync((long)offset, name, cancellation).ConfigureAwait(false);
        return new ImageReference(ImageReferenceKind.Backing, Encoding.UTF8.GetString(name), null);
    }

    private sealed class QcowMap(BlockNode file, BlockNode? backing, long lengthBytes, int clusterBits, ulong[] first, int entries)
        : TwoLevelMap(file, backing, lengthBytes, 1 << clusterBits, first, entries, isBigEndian: true)
    {
        private const ulong CompressedFlag = 1UL << 63;

        /// <inheritdoc/>
        protected override MapRun Decode(ulong entry, int within, long lengthBytes) => entry == 0 ? new MapRun(MapKind.Hole, lengthBytes)
            : (entry & CompressedFlag) != 0 ? new MapRun(MapKind.Compressed, lengthBytes, (long)(entry & ~CompressedFlag))
            : Data(entry, within, lengthBytes);

        // The place's upper bits are the stored length, the others where it begins.
        protected override async ValueTask ReadCompressedAsync(long offset, IoVector destination, MapRun run, CancellationToken cancellation)
        {
            int lengthShift = 63 - clusterBits, stored = (int)(run.FileOffset >> lengthShift) & (BlockBytes - 1);
            long place = run.FileOffset & ((1L << lengthShift) - 1);
            byte[] bytes = ArrayPool<byte>.Shared.Rent(BlockBytes), cluster = ArrayPool<byte>.Shared.Rent(BlockBytes);
            try
            {
                if (place > File.LengthBytes - stored) throw Damaged(offset);
                await File.ReadBytesAsync(place, bytes.AsMemory(0, stored), cancellation).ConfigureAwait(false);
                await default(PoolThread);
                using MemoryStream stream = new(bytes, 0, stored, writable: false);
                using DeflateStream inflate = new(stream, CompressionMode.Decompress);
                if (inflate.ReadAtLeast(cluster.AsSpan(0, BlockBytes), BlockBytes, throwOnEndOfStream: false) != BlockBytes) throw Damaged(offset);
                destination.CopyFrom(cluster.AsSpan((int)(offset % BlockBytes), (int)destination.LengthBytes));
            }
            catch (InvalidDataException)
            {
                throw Damaged(offset);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(bytes);
                ArrayPool<byte>.Shared.Return(cluster);
            }
        }

        private BlockIoException Damaged(long offset) => new($"\"{File.Filename}\": the compressed cluster at {offset} is damaged.");
    }
}
