using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vhdx;

/// <summary>Hyper-V disks, second generation (MS-VHDX): fixed, dynamic, differencing.</summary>
internal sealed class VhdxFormat : ImageFormat
{
    private const long DefaultLogBytes = 1 << 20;
    private const int MetadataBytes = 1 << 20, ChunkEntries = 64 * 1024;

    private VhdxFormat() { }

    /// <summary>The format.</summary>
    internal static VhdxFormat Instance { get; } = new();

    private static ReadOnlySpan<byte> FileSignature => "vhdxfile"u8;

    /// <inheritdoc/>
    public override string Name => "vhdx";

    /// <inheritdoc/>
    public override IReadOnlyList<CreateOption> CreateOptions { get; } =
    [
        new("size", CreateOptionType.Size, "Virtual disk size; max of 64TB."),
        new("log_size", CreateOptionType.Size, "Log size; min 1MB.", "1048576"),
        new("block_size", CreateOptionType.Size, "Block Size; min 1MB, max 256MB. 0 means auto-calculate based on image size.", "0"),
        new("subformat", CreateOptionType.Text, "VHDX format type, can be either 'dynamic' or 'fixed'. Default is 'dynamic'."),
        new("block_state_zero", CreateOptionType.Switch,
            "Force use of payload blocks of type 'ZERO'. Non-standard, but default.  Do not set to 'off' when using 'qemu-img convert' with subformat=dynamic."),
    ];

    /// <inheritdoc/>
    public override int Probe(ReadOnlySpan<byte> head, string fileName) => head.StartsWith(FileSignature) ? 100 : 0;

    /// <inheritdoc/>
    public override async ValueTask<ImageNode> OpenAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation)
    {
        byte[] signature = new byte[8];
        await file.ReadBytesAsync(0, signature, cancellation).ConfigureAwait(false);
        if (!signature.AsSpan().SequenceEqual(FileSignature)) throw new ImageException("Image not in VHDX format");
        VhdxHeaders headers = await VhdxHeaders.ReadAsync(file, cancellation).ConfigureAwait(false);
        bool replay = headers.Current.LogId != Guid.Empty;
        if (replay) await ReplayAsync(file, headers, options, cancellation).ConfigureAwait(false);
        VhdxRegions regions = await VhdxRegions.ReadAsync(file, headers.Current, cancellation).ConfigureAwait(false);
        VhdxMetadata metadata = await VhdxMetadata.ReadAsync(file, regions.Metadata, cancellation).ConfigureAwait(false);
        if (metadata.Entries > regions.Table.LengthBytes / 8) throw new ImageException($"VHDX block table has room for {regions.Table.LengthBytes / 8} of {metadata.Entries} entries");
        (ImageReference? reference, BlockNode? parent) = metadata.Parent is null
            ? (null, null)
            : await VhdxParent.OpenAsync(file, metadata.Parent, options, cancellation).ConfigureAwait(false);
        VhdxMap map = reference is null ? new VhdxMap(file, null, metadata, regions) : new VhdxDifferencingMap(file, parent, metadata, regions);
        try
        {
            if (!options.ReadOnly) await map.PrepareAsync(cancellation).ConfigureAwait(false);
            return new VhdxNode(map, headers, metadata, reference, replay, options.ReadOnly);
        }
        catch
        {
            map.Dispose();
            if (parent is not null) await parent.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public override ValueTask CreateAsync(BlockNode file, ImageCreateRequest request, CancellationToken cancellation)
    {
        bool isFixed = request.Options.GetValueOrDefault("subformat", "dynamic") switch
        {
            "dynamic" => false,
            "fixed" => true,
            string other => throw new ImageException($"Invalid parameter '{other}'"),
        };
        if (request.LengthBytes > VhdxMetadata.MaxDiskBytes) throw new ImageException("Image size too large; max of 64TB");
        long log = OptionText.Size(request.Options, "log_size", DefaultLogBytes), block = OptionText.Size(request.Options, "block_size", 0);
        if (log < DefaultLogBytes || log % DefaultLogBytes != 0) throw new ImageException("Log size must be a multiple of 1 MB");
        if (log >= 1L << 32) throw new ImageException("Log size must be smaller than 4 GB");
        if (block == 0) block = DefaultBlockBytes(request.LengthBytes);
        if (block % VhdxMetadata.MinBlockBytes != 0) throw new ImageException("Block size must be a multiple of 1 MB");
        if ((block & (block - 1)) != 0) throw new ImageException("Block size must be a power of two");
        if (block > VhdxMetadata.MaxBlockBytes) throw new ImageException($"Block size must not exceed {VhdxMetadata.MaxBlockBytes}");
        VhdxMetadata metadata = new()
        {
            BlockBytes = (int)block,
            LeavesBlocksAllocated = isFixed,
            DiskBytes = (request.LengthBytes + 511) & -512,
        };
        int state = isFixed ? VhdxState.FullyPresent : OptionText.IsOn(request.Options, "block_state_zero", true) ? VhdxState.Zero : VhdxState.NotPresent;
        return CreateAsync(file, metadata, log, state, cancellation);
    }

    /// <summary>Writes a new, empty differencing disk over a parent, of its length. The parent's name goes in as it is given, in Windows' form with backslashes.</summary>
    internal ValueTask CreateDifferencingAsync(BlockNode file, long lengthBytes, Guid parentDataWriteId, string parentName, int blockBytes, CancellationToken cancellation)
    {
        VhdxMetadata metadata = new()
        {
            BlockBytes = blockBytes,
            DiskBytes = lengthBytes,
            Parent = new Dictionary<string, string> { ["parent_linkage"] = parentDataWriteId.ToString("B"), ["relative_path"] = $".\\{parentName}" },
        };
        return CreateAsync(file, metadata, DefaultLogBytes, VhdxState.NotPresent, cancellation);
    }

    private static long DefaultBlockBytes(long lengthBytes) => lengthBytes switch
    {
        > 32L << 40 => 64 << 20,
        > 100L << 30 => 32 << 20,
        > 1L << 30 => 16 << 20,
        _ => 8 << 20,
    };

    private static async ValueTask ReplayAsync(BlockNode file, VhdxHeaders headers, ImageOpenOptions options, CancellationToken cancellation)
    {
        if (options.ReadOnly)
        {
            throw new ImageException($"VHDX image file '{file.Filename}' opened read-only, but contains a log that needs to be replayed",
                $"To replay the log, run:\nqemu-img check -r all '{file.Filename}'");
        }
        await VhdxLog.ReplayAsync(file, headers.Current, cancellation).ConfigureAwait(false);
        // Twice, so that no header is left that would have it replayed again over what is written from now on.
        for (int i = 0; i < 2; i++) await headers.UpdateAsync(headers.Current with { FileWriteId = Guid.NewGuid(), LogId = Guid.Empty }, cancellation).ConfigureAwait(false);
    }

    private static async ValueTask CreateAsync(BlockNode file, VhdxMetadata metadata, long logBytes, int state, CancellationToken cancellation)
    {
        VhdxRegion log = new(VhdxRegions.HeaderSectionBytes, logBytes), items = new(log.End, MetadataBytes);
        long tableBytes = Math.Max(VhdxRegions.UnitBytes, ((metadata.Entries * 8) + VhdxRegions.UnitBytes - 1) / VhdxRegions.UnitBytes * VhdxRegions.UnitBytes);
        VhdxRegions regions = new(log, new VhdxRegion(items.End, tableBytes), items);
        long data = regions.Table.End;
        await file.ResizeAsync(data + (state == VhdxState.FullyPresent ? metadata.Blocks * metadata.BlockBytes : 0), Preallocation.Off, cancellation).ConfigureAwait(false);
        await file.WriteBytesAsync(0, FileIdentifier(), WriteFlags.None, cancellation).ConfigureAwait(false);
        await regions.WriteAsync(file, cancellation).ConfigureAwait(false);
        await file.WriteBytesAsync(items.Offset, metadata.ToBytes(Guid.NewGuid()), WriteFlags.None, cancellation).ConfigureAwait(false);
        if (state != VhdxState.NotPresent) await WriteTableAsync(file, regions.Table.Offset, metadata, state, data, cancellation).ConfigureAwait(false);
        VhdxHeader header = new()
        {
            Sequence = 1,
            FileWriteId = Guid.NewGuid(),
            DataWriteId = Guid.NewGuid(),
            LogId = Guid.Empty,
            LogBytes = (uint)logBytes,
            LogOffset = (ulong)log.Offset,
        };
        await file.WriteBytesAsync(VhdxHeader.FirstOffset, header.ToBytes(), WriteFlags.None, cancellation).ConfigureAwait(false);
        await file.WriteBytesAsync(VhdxHeader.SecondOffset, (header with { Sequence = 2 }).ToBytes(), WriteFlags.None, cancellation).ConfigureAwait(false);
    }

    private static byte[] FileIdentifier()
    {
        byte[] bytes = new byte[520];
        FileSignature.CopyTo(bytes);
        Encoding.Unicode.GetBytes("Hutch", bytes.AsSpan(8));
        return bytes;
    }

    private static async ValueTask WriteTableAsync(BlockNode file, long offset, VhdxMetadata metadata, int state, long data, CancellationToken cancellation)
    {
        byte[] chunk = new byte[ChunkEntries * 8];
        for (long first = 0; first < metadata.Entries; first += ChunkEntries)
        {
            int count = (int)Math.Min(ChunkEntries, metadata.Entries - first);
            for (int i = 0; i < count; i++)
            {
                // Every so many entries one is a sector bitmap block's, and stays empty.
                long index = first + i, chunkIndex = index / (metadata.ChunkBlocks + 1L), block = index - chunkIndex;
                bool isBitmap = index % (metadata.ChunkBlocks + 1L) == metadata.ChunkBlocks;
                ulong place = state == VhdxState.FullyPresent ? (ulong)(data + (block * metadata.BlockBytes)) : 0;
                BinaryPrimitives.WriteUInt64LittleEndian(chunk.AsSpan(i * 8), isBitmap ? 0 : place | (uint)state);
            }
            await file.WriteBytesAsync(offset + (first * 8), chunk.AsMemory(0, count * 8), WriteFlags.None, cancellation).ConfigureAwait(false);
        }
    }
}
