using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Opens an image: header, tables, what it names, keys.</summary>
internal static class Qcow2Opener
{
    /// <summary>Opens an image; the node owns <paramref name="file"/> if <paramref name="ownsFile"/>.</summary>
    internal static async ValueTask<Qcow2Node> OpenAsync(BlockNode file, bool ownsFile, BlockNode? dataFile, ImageOpenOptions options, CancellationToken cancellation)
    {
        Qcow2Header header = await Qcow2HeaderReader.ReadAsync(file, options, cancellation).ConfigureAwait(false);
        Qcow2OpenSettings settings = Qcow2OpenSettings.Parse(options, header);
        if (header.Warning is not null && !options.ReadOnly) options.Report?.Invoke(header.Warning);
        if (settings.LazyRefcounts == true && header.Version < 3) throw new ImageException("Lazy refcounts require a qcow2 image with at least qemu 1.1 compatibility level");
        ulong[] l1 = await Qcow2TableReader.ReadAsync(file, header.L1Offset, header.L1Entries, "Could not read L1 table", cancellation).ConfigureAwait(false);
        ulong[] refcountTable = await Qcow2TableReader.ReadAsync(file, header.RefcountTableOffset, ((long)header.RefcountTableClusters << header.ClusterBits) / 8,
            "Could not initialize refcount handling", cancellation).ConfigureAwait(false);
        BlockNode? data = dataFile, backing = null;
        try
        {
            data ??= await OpenDataFileAsync(file, header, options, cancellation).ConfigureAwait(false);
            Qcow2Keys keys = await Qcow2Crypto.OpenAsync(file, header, options, cancellation).ConfigureAwait(false);
            if (header.BackingName is { } name && options.References is { } references)
                backing = await references.OpenAsync(new(ImageReferenceKind.Backing, name, header.BackingFormat), file, readOnly: true, cancellation).ConfigureAwait(false);
            Qcow2Metadata metadata = new(file, data, header, settings, l1, refcountTable);
            if (!options.ForCheck) metadata.TakeSnapshots(await Qcow2SnapshotTable.ReadAsync(file, header, repair: null, cancellation).ConfigureAwait(false));
            Qcow2Bitmaps bitmaps = new(metadata, await ReadBitmapsAsync(file, header, options, cancellation).ConfigureAwait(false));
            Qcow2Node node = new(metadata, keys, bitmaps, backing, options, ownsFile, ownsData: dataFile is null);
            if (!options.ReadOnly) await node.PrepareToWriteAsync(cancellation).ConfigureAwait(false);
            return node;
        }
        catch
        {
            if (dataFile is null && data is not null) await data.DisposeAsync().ConfigureAwait(false);
            if (backing is not null) await backing.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static async ValueTask<ImmutableArray<Qcow2BitmapEntry>> ReadBitmapsAsync(BlockNode file, Qcow2Header header, ImageOpenOptions options, CancellationToken cancellation)
    {
        try
        {
            return await Qcow2BitmapDirectory.ReadAsync(file, header, cancellation).ConfigureAwait(false);
        }
        catch (ImageException) when (options.ForCheck)
        {
            // The check counts it.
            return [];
        }
    }

    private static async ValueTask<BlockNode?> OpenDataFileAsync(BlockNode file, Qcow2Header header, ImageOpenOptions options, CancellationToken cancellation)
    {
        if (!header.HasDataFile)
        {
            if (header.IsDataFileRaw) throw new ImageException("data-file-raw requires a data file");
            return null;
        }
        if (options.NoData) return null;
        if (header.DataFileName is not { } name || options.References is not { } references) throw new ImageException("'data-file' is required for this image");
        return await references.OpenAsync(new(ImageReferenceKind.Data, name, null), file, options.ReadOnly, cancellation).ConfigureAwait(false)
            ?? throw new ImageException("'data-file' is required for this image");
    }
}
