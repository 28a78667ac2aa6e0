using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.Time;

namespace Hutch.Block.Formats.Vpc;

/// <summary>Virtual PC and Hyper-V disks, first generation (VHD): fixed, dynamic, differencing.</summary>
internal sealed class VpcFormat : ImageFormat
{
    // A larger table is looked through only before the first new block.
    private const int MaxScannedBlocks = 1 << 22;
    private const int TableOffset = VpcFooter.Bytes + VpcDynamicHeader.Bytes;

    private readonly MonotonicClock _clock = new();

    private VpcFormat() { }

    /// <summary>The format.</summary>
    internal static VpcFormat Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "vpc";

    /// <inheritdoc/>
    public override IReadOnlyList<CreateOption> CreateOptions { get; } =
    [
        new("size", CreateOptionType.Size, "Virtual disk size"),
        new("subformat", CreateOptionType.Text, "Type of virtual hard disk format. Supported formats are {dynamic (default) | fixed} "),
        new("force_size", CreateOptionType.Switch, "Force disk size calculation to use the actual size specified, rather than using the nearest CHS-based calculation"),
    ];

    /// <inheritdoc/>
    public override int Probe(ReadOnlySpan<byte> head, string fileName) => head.StartsWith(VpcFooter.Cookie) ? 100 : 0;

    /// <inheritdoc/>
    public override async ValueTask<ImageNode> OpenAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation)
    {
        (VpcFooter footer, byte[] bytes) = await ReadFooterAsync(file, cancellation).ConfigureAwait(false);
        long length = footer.DiskBytes(options.Options.GetValueOrDefault("force_size_calc"));
        if (footer.Type == VpcType.Fixed) return new VpcFixedNode(file, footer, Math.Min(length, (file.LengthBytes - VpcFooter.Bytes) / 512 * 512), options.ReadOnly);
        if (footer.Type is not (VpcType.Dynamic or VpcType.Differencing)) throw new ImageException("invalid VPC image", $"Its type {(uint)footer.Type} is not known.");
        if (footer.HeaderOffset < 0 || footer.HeaderOffset > file.LengthBytes - VpcDynamicHeader.Bytes) throw new ImageException("Invalid header magic");
        byte[] headerBytes = new byte[VpcDynamicHeader.Bytes];
        await file.ReadBytesAsync(footer.HeaderOffset, headerBytes, cancellation).ConfigureAwait(false);
        VpcDynamicHeader header = VpcDynamicHeader.Parse(headerBytes, length);
        if (header.TableOffset + (header.Blocks * 4L) > file.LengthBytes) throw new ImageException("Page table too small", "The file ends within its block table.");
        (ImageReference? reference, BlockNode? parent) = footer.Type == VpcType.Differencing
            ? await VpcParent.OpenAsync(file, header, options, cancellation).ConfigureAwait(false)
            : (null, null);
        try
        {
            VpcMap map = reference is null ? new VpcMap(file, null, length, header, bytes) : new VpcDifferencingMap(file, parent, length, header, bytes);
            if (header.Blocks <= MaxScannedBlocks) await map.ScanAsync(cancellation).ConfigureAwait(false);
            return new VpcNode(map, footer, reference, options.ReadOnly);
        }
        catch when (parent is not null)
        {
            await parent.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public override async ValueTask CreateAsync(BlockNode file, ImageCreateRequest request, CancellationToken cancellation)
    {
        bool isFixed = request.Options.GetValueOrDefault("subformat", "dynamic") switch
        {
            "dynamic" => false,
            "fixed" => true,
            string other => throw new ImageException($"Invalid parameter '{other}'"),
        };
        VpcFooter footer = MakeFooter(request.LengthBytes, OptionText.IsOn(request.Options, "force_size", false), isFixed ? VpcType.Fixed : VpcType.Dynamic);
        if (isFixed)
        {
            await file.ResizeAsync(footer.CurrentBytes + VpcFooter.Bytes, Preallocation.Off, cancellation).ConfigureAwait(false);
            await file.WriteBytesAsync(footer.CurrentBytes, footer.ToBytes(), WriteFlags.None, cancellation).ConfigureAwait(false);
            return;
        }
        VpcDynamicHeader header = new()
        {
            TableOffset = TableOffset,
            Blocks = (int)((footer.CurrentBytes + VpcDynamicHeader.DefaultBlockBytes - 1) / VpcDynamicHeader.DefaultBlockBytes),
            BlockBytes = VpcDynamicHeader.DefaultBlockBytes,
        };
        await WriteDynamicAsync(file, footer, header, cancellation).ConfigureAwait(false);
    }

    /// <summary>
    /// Writes a new, empty differencing disk over a parent, of its length. The parent's name goes in as it is given, in Windows' form with backslashes.
    /// </summary>
    internal async ValueTask CreateDifferencingAsync(BlockNode file, long lengthBytes, Guid parentId, string parentName, CancellationToken cancellation)
    {
        VpcFooter footer = MakeFooter(lengthBytes, true, VpcType.Differencing);
        byte[] locator = System.Text.Encoding.Unicode.GetBytes($".\\{parentName}");
        int blocks = (int)((footer.CurrentBytes + VpcDynamicHeader.DefaultBlockBytes - 1) / VpcDynamicHeader.DefaultBlockBytes);
        VpcDynamicHeader header = new()
        {
            TableOffset = TableOffset + 512,
            Blocks = blocks,
            BlockBytes = VpcDynamicHeader.DefaultBlockBytes,
            ParentId = parentId,
            ParentName = parentName,
            ParentLocators = [new VpcParentLocator("W2ru", TableOffset, Math.Min(512, locator.Length))],
        };
        await WriteDynamicAsync(file, footer, header, cancellation).ConfigureAwait(false);
        await file.WriteBytesAsync(TableOffset, locator.AsMemory(0, Math.Min(512, locator.Length)), WriteFlags.None, cancellation).ConfigureAwait(false);
    }

    private VpcFooter MakeFooter(long lengthBytes, bool forceSize, VpcType type)
    {
        long sectors = (lengthBytes + 511) / 512;
        VpcGeometry geometry = forceSize ? new VpcGeometry(65535, 16, 255) : VpcGeometry.Covering(sectors);
        if (geometry.Total != VpcGeometry.MaxSectors) sectors = geometry.Total;
        if (sectors > VpcGeometry.MaxDiskSectors) throw new ImageException("The image size is too large for file format 'vpc'");
        return new VpcFooter
        {
            HeaderOffset = type == VpcType.Fixed ? -1 : VpcFooter.Bytes,
            CreatorApplication = forceSize ? "qem2" : "qemu",
            CurrentBytes = sectors * 512,
            Geometry = geometry,
            Type = type,
            UniqueId = Guid.NewGuid(),
            TimeSeconds = _clock.UtcNow.ToUnixTimeSeconds(),
        };
    }

    private static async ValueTask WriteDynamicAsync(BlockNode file, VpcFooter footer, VpcDynamicHeader header, CancellationToken cancellation)
    {
        byte[] bytes = footer.ToBytes(), table = new byte[((header.Blocks * 4) + 511) / 512 * 512];
        table.AsSpan().Fill(0xff);
        await file.WriteBytesAsync(0, bytes, WriteFlags.None, cancellation).ConfigureAwait(false);
        await file.WriteBytesAsync(VpcFooter.Bytes, header.ToBytes(), WriteFlags.None, cancellation).ConfigureAwait(false);
        await file.WriteBytesAsync(header.TableOffset, table, WriteFlags.None, cancellation).ConfigureAwait(false);
        await file.WriteBytesAsync(header.TableOffset + table.Length, bytes, WriteFlags.None, cancellation).ConfigureAwait(false);
    }

    // The footer at the end goes first: what a fixed disk has at its beginning is the guest's to write, and must never make another kind of disk of it.
    private static async ValueTask<(VpcFooter Footer, byte[] Bytes)> ReadFooterAsync(BlockNode file, CancellationToken cancellation)
    {
        byte[] bytes = new byte[VpcFooter.Bytes];
        if (file.LengthBytes < bytes.Length) throw new ImageException("invalid VPC image");
        await file.ReadBytesAsync(file.LengthBytes - bytes.Length, bytes, cancellation).ConfigureAwait(false);
        if (bytes.AsSpan().StartsWith(VpcFooter.Cookie)) return (VpcFooter.Parse(bytes), bytes);
        await file.ReadBytesAsync(0, bytes, cancellation).ConfigureAwait(false);
        VpcFooter footer = VpcFooter.Parse(bytes);
        if (footer.Type == VpcType.Fixed) throw new ImageException("invalid VPC image", "Its footer is cut off.");
        return (footer, bytes);
    }
}
