using System.Buffers.Binary;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// Makes images, with QEMU's layout: header, refcount table, a refcount block, L1 table, each in the next cluster. The first three are written here for a disk
/// of no length; then it grows as any image does.
/// </summary>
internal static class Qcow2Creator
{
    /// <summary>Writes a new image into an empty file.</summary>
    internal static async ValueTask CreateAsync(BlockNode file, ImageCreateRequest request, CancellationToken cancellation)
    {
        Qcow2CreateOptions options = Qcow2CreateOptions.Parse(request.Options);
        long length = checked((request.LengthBytes + 511) & ~511L);
        Qcow2Header header = HeaderOf(options);
        if (Qcow2Geometry.L1EntriesFor(header, length) > Qcow2Limits.MaxL1Bytes / 8)
            throw new ImageException("The image size is too large for file format 'qcow2' (try using a larger cluster size)");
        if (options.BackingName is { } backing && System.Text.Encoding.UTF8.GetByteCount(backing) > Qcow2Limits.MaxBackingNameBytes) throw new ImageException("Backing file name too long");
        byte[]? secret = options.Encryption == Qcow2Encryption.None ? null : Qcow2Crypto.FindSecret(request.Options, request.Secrets);
        BlockNode? data = null;
        try
        {
            if (options.DataFileName is { } name)
            {
                IImageFiles files = request.Files ?? throw new ImageException("External data files cannot be made here");
                data = await files.CreateAsync(name, 0, Preallocation.Off, cancellation).ConfigureAwait(false);
            }
            await WriteEmptyAsync(file, header, cancellation).ConfigureAwait(false);
            ImageOpenOptions open = new() { ReadOnly = false, NoData = secret is not null };
            Qcow2Node node = await Qcow2Opener.OpenAsync(file, ownsFile: false, data, open, cancellation).ConfigureAwait(false);
            await using (node.ConfigureAwait(false))
            {
                await node.Resizer.GrowNewAsync(length, options.Preallocation, cancellation).ConfigureAwait(false);
                if (options.Encryption == Qcow2Encryption.Luks) await Qcow2Crypto.AddLuksAsync(node.Metadata, request, secret, cancellation).ConfigureAwait(false);
            }
        }
        finally
        {
            if (data is not null) await data.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static Qcow2Header HeaderOf(Qcow2CreateOptions options) => new()
    {
        Version = options.Version,
        ClusterBits = options.ClusterBits,
        RefcountOrder = options.RefcountOrder,
        RefcountTableOffset = 1L << options.ClusterBits,
        RefcountTableClusters = 1,
        Encryption = options.Encryption == Qcow2Encryption.Aes ? Qcow2Encryption.Aes : Qcow2Encryption.None,
        Incompatible = (options.DataFileName is null ? 0 : Qcow2Features.DataFile)
            | (options.Compression == Qcow2Compression.Zlib ? 0 : Qcow2Features.Compression)
            | (options.ExtendedL2 ? Qcow2Features.ExtendedL2 : 0),
        Compatible = options.LazyRefcounts ? Qcow2Features.LazyRefcounts : 0,
        Autoclear = options.DataFileRaw ? Qcow2Features.DataFileRaw : 0,
        Compression = options.Compression,
        BackingName = options.BackingName,
        BackingFormat = options.BackingFormat,
        DataFileName = options.DataFileName,
    };

    private static async ValueTask WriteEmptyAsync(BlockNode file, Qcow2Header header, CancellationToken cancellation)
    {
        int cluster = header.ClusterBytes;
        byte[] head = Qcow2HeaderWriter.Write(header), table = new byte[cluster], block = new byte[cluster];
        BinaryPrimitives.WriteInt64BigEndian(table, 2L * cluster);
        for (int i = 0; i < 3; i++) RefcountWidth.Set(block, i, header.RefcountOrder, 1);
        await file.WriteBytesAsync(2L * cluster, block, WriteFlags.None, cancellation).ConfigureAwait(false);
        await file.WriteBytesAsync(cluster, table, WriteFlags.None, cancellation).ConfigureAwait(false);
        await file.WriteBytesAsync(0, head, WriteFlags.None, cancellation).ConfigureAwait(false);
    }
}
