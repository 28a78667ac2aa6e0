using System;
using System.Collections.Generic;
using System.Globalization;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>How large an image's file would be; the numbers are those of 'qemu-img measure'.</summary>
internal static class Qcow2Measure
{
    /// <summary>Measures. Throws <see cref="ImageException"/> for options that cannot be.</summary>
    internal static async ValueTask<ImageMeasure> MeasureAsync(BlockNode? source, ImageCreateRequest request, CancellationToken cancellation)
    {
        Qcow2CreateOptions options = Qcow2CreateOptions.Parse(request.Options);
        long cluster = 1L << options.ClusterBits, length = source?.LengthBytes ?? request.LengthBytes;
        if (length > long.MaxValue / 2) throw TooLarge();
        long virtualBytes = RoundUp(length, cluster), tableBytes = options.ExtendedL2 ? 16 : 8;
        if (DivideUp(virtualBytes / cluster, cluster / tableBytes) * 8 > Qcow2Limits.MaxL1Bytes) throw TooLarge();
        long required = 0;
        if (source is not null)
        {
            // How much of a backing image the new image would share is not known.
            required = options.BackingName is not null ? virtualBytes : await CountDataAsync(source, cluster, cancellation).ConfigureAwait(false);
        }
        if (options.Preallocation is Preallocation.Falloc or Preallocation.Full) required = virtualBytes;
        long all = FullBytes(virtualBytes, cluster, options.RefcountOrder, tableBytes) + RoundUp(LuksBytes(options, request.Options), cluster);
        return new(all - virtualBytes + required, all, options.Version >= 3 && source is Qcow2Node { Metadata.Header.Version: >= 3 } image
            ? CountBitmaps(image, cluster) : null);
    }

    // All metadata, and the data.
    private static long FullBytes(long virtualBytes, long cluster, int refcountOrder, long tableEntryBytes)
    {
        long l2 = RoundUp(virtualBytes / cluster, cluster / tableEntryBytes) * tableEntryBytes;
        long l1 = RoundUp(l2 / cluster, cluster / 8) * 8;
        long clusters = (cluster + l2 + l1 + virtualBytes) / cluster, perBlock = cluster * 8 >> refcountOrder, blocks = 0, table = 0, last;
        do
        {
            last = blocks + table;
            blocks = DivideUp(clusters + last, perBlock);
            table = DivideUp(blocks, cluster / 8);
        }
        while (blocks + table != last);
        return (clusters + blocks + table) * cluster;
    }

    // Clusters of the new image that the source has data for; neighbouring extents may share one, which counts once.
    private static async ValueTask<long> CountDataAsync(BlockNode source, long cluster, CancellationToken cancellation)
    {
        long required = 0;
        for (long offset = 0; offset < source.LengthBytes;)
        {
            cancellation.ThrowIfCancellationRequested();
            BlockExtent extent = await FindAsync(source, offset, source.LengthBytes - offset, cancellation).ConfigureAwait(false);
            long length = extent.LengthBytes;
            if (extent.Kind == BlockExtentKind.Data)
            {
                length = RoundUp(offset + length, cluster) - offset;
                required += (offset % cluster) + length;
            }
            offset += length;
        }
        return required;
    }

    // What a chain of images shows.
    private static async ValueTask<BlockExtent> FindAsync(BlockNode node, long offset, long lengthBytes, CancellationToken cancellation)
    {
        while (true)
        {
            BlockExtent extent = await node.GetExtentAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
            if (extent.Kind != BlockExtentKind.Unallocated || Below(node) is not { } backing || offset >= backing.LengthBytes) return extent;
            lengthBytes = Math.Min(extent.LengthBytes, backing.LengthBytes - offset);
            node = backing;
        }
    }

    private static BlockNode? Below(BlockNode node)
    {
        foreach (BlockEdge edge in node.Children)
            if (edge.Kind == BlockEdgeKind.Backing) return edge.Child;
        return null;
    }

    // The LUKS header with eight key slots, each a key in 4000 stripes.
    private static long LuksBytes(Qcow2CreateOptions options, IReadOnlyDictionary<string, string> given)
    {
        if (options.Encryption != Qcow2Encryption.Luks) return 0;
        const int Sector = 512, Stripes = 4000, Slots = 8, Aligned = 8;
        string cipher = given.GetValueOrDefault("encrypt.cipher-alg", "aes-256");
        int keyBytes = int.TryParse(cipher.AsSpan(cipher.LastIndexOf('-') + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int bits) ? bits / 8 : 32;
        if (given.GetValueOrDefault("encrypt.cipher-mode", "xts") == "xts") keyBytes *= 2;
        return (Aligned + (Slots * RoundUp(DivideUp((long)keyBytes * Stripes, Sector), Aligned))) * Sector;
    }

    // Those that are lost count too.
    private static long CountBitmaps(Qcow2Node source, long cluster)
    {
        long sum = 0, directory = 0;
        foreach (Qcow2Bitmap bitmap in source.DirtyBitmaps.All)
        {
            long clusters = DivideUp(BitmapBits.BytesFor(source.LengthBytes, bitmap.GranularityBits), cluster);
            sum += (clusters * cluster) + RoundUp(clusters * 8, cluster);
            directory += RoundUp(Qcow2BitmapEntry.HeaderBytes + bitmap.NameBytes.Length, 8);
        }
        return sum + RoundUp(directory, cluster);
    }

    private static long DivideUp(long value, long by) => (value / by) + (value % by == 0 ? 0 : 1);

    private static long RoundUp(long value, long to) => DivideUp(value, to) * to;

    private static ImageException TooLarge() => new("The image size is too large (try using a larger cluster size)");
}
