using System;
using System.Buffers.Binary;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Mapped;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qed;

/// <summary>QED images (QEMU docs/interop/qed_spec.txt), read only: little-endian, two levels of tables.</summary>
internal sealed class QedFormat : ReadOnlyFormat
{
    private const int HeaderBytes = 64, MinClusterBytes = 4096, MaxClusterBytes = 64 << 20, MaxTableClusters = 16, MaxNameBytes = 1023, MaxFirstEntries = 1 << 20;
    private const long MaxPages = 1 << 23;
    private const ulong BackingFeature = 1, RawBackingFeature = 4, KnownFeatures = 7;

    private QedFormat() { }

    /// <summary>The format.</summary>
    internal static QedFormat Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "qed";

    /// <inheritdoc/>
    public override bool HasBacking => true;

    private static ReadOnlySpan<byte> Magic => "QED\0"u8;

    /// <inheritdoc/>
    public override int Probe(ReadOnlySpan<byte> head, string fileName) => head.Length >= HeaderBytes && head.StartsWith(Magic) ? 100 : 0;

    /// <inheritdoc/>
    public override async ValueTask<ImageNode> OpenAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation)
    {
        byte[] head = new byte[HeaderBytes];
        await file.ReadBytesAsync(0, head, cancellation).ConfigureAwait(false);
        if (!head.AsSpan().StartsWith(Magic)) throw new ImageException("Image not in QED format");
        CheckReadOnly(options);
        uint cluster = BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(4)), table = BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(8));
        ulong features = BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(16)), length = BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(48));
        if ((features & ~KnownFeatures) != 0) throw new ImageException($"Unsupported QED features: {features & ~KnownFeatures:x}");
        if (cluster < MinClusterBytes || cluster > MaxClusterBytes || (cluster & (cluster - 1)) != 0) throw new ImageException("QED cluster size is invalid");
        if (table == 0 || table > MaxTableClusters || (table & (table - 1)) != 0) throw new ImageException("QED table size is invalid");
        long tableBytes = (long)cluster * table, entries = tableBytes / 8, reach = entries * cluster;
        if (length > (ulong)long.MaxValue / 2 || length % 512 != 0 || (long)length / reach >= entries) throw new ImageException("QED image size is invalid");
        long used = ((long)length + reach - 1) / reach;
        if (used * (tableBytes / 4096) > MaxPages) throw new ImageException("QED image size is too large for its tables");
        ImageReference? reference = await ReadBackingAsync(file, head, features, cancellation).ConfigureAwait(false);
        ulong[] first = await TwoLevelMap.ReadFirstAsync(file, BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(40)), used, tableBytes, isBigEndian: false, MaxFirstEntries, cancellation).ConfigureAwait(false);
        BlockNode? backing = await OpenBackingAsync(file, reference, options, cancellation).ConfigureAwait(false);
        return new ReadOnlyImageNode(new QedMap(file, backing, (long)length, (int)cluster, first, (int)entries), this, reference);
    }

    private static async ValueTask<ImageReference?> ReadBackingAsync(BlockNode file, byte[] head, ulong features, CancellationToken cancellation)
    {
        if ((features & BackingFeature) == 0) return null;
        uint offset = BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(56)), length = BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(60));
        if (length > MaxNameBytes || offset > file.LengthBytes - length) throw new ImageException("QED backing filename offset is invalid");
        byte[] name = new byte[length];
        await file.ReadBytesAsync(offset, name, cancellation).ConfigureAwait(false);
        return new ImageReference(ImageReferenceKind.Backing, Encoding.UTF8.GetString(name).TrimEnd('\0'), (features & RawBackingFeature) != 0 ? "raw" : null);
    }

    private sealed class QedMap(BlockNode file, BlockNode? backing, long lengthBytes, int clusterBytes, ulong[] first, int entries)
        : TwoLevelMap(file, backing, lengthBytes, clusterBytes, first, entries, isBigEndian: false)
    {
        /// <inheritdoc/>
        protected override MapRun Decode(ulong entry, int within, long lengthBytes) => entry switch
        {
            0 => new MapRun(MapKind.Hole, lengthBytes),
            1 => new MapRun(MapKind.Zero, lengthBytes),
            _ => Data(entry, within, lengthBytes),
        };
    }
}
