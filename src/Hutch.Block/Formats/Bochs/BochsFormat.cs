using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Bochs;

/// <summary>Images of the Bochs emulator of the type "growing" (redolog), to read.</summary>
internal sealed class BochsFormat : ImageFormat
{
    private const int HeaderBytes = 512, MaxCatalogEntries = 0x100000, MaxExtentBytes = 0x800000, SectorBytes = 512;

    private BochsFormat() { }

    /// <summary>The format.</summary>
    internal static BochsFormat Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "bochs";

    /// <inheritdoc/>
    public override IReadOnlyList<CreateOption> CreateOptions => [];

    /// <inheritdoc/>
    public override bool CanCreate => false;

    private static ReadOnlySpan<byte> Magic => "Bochs Virtual HD Image\0"u8;

    /// <inheritdoc/>
    public override int Probe(ReadOnlySpan<byte> head, string fileName) =>
        head.Length >= HeaderBytes && head.StartsWith(Magic) && Is(head[32..], "Redolog\0"u8) && Is(head[48..], "Growing\0"u8)
            && BinaryPrimitives.ReadUInt32LittleEndian(head[64..]) is 0x10000 or 0x20000 ? 100 : 0;

    /// <inheritdoc/>
    public override async ValueTask<ImageNode> OpenAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation)
    {
        byte[] header = new byte[HeaderBytes];
        await file.ReadBytesAsync(0, header, cancellation).ConfigureAwait(false);
        if (Probe(header, "") == 0) throw new ImageException("Image not in Bochs format");
        if (!options.ReadOnly) throw new ImageException("Could not open image: Bochs images are read-only");
        BochsLayout layout = ReadLayout(header);
        byte[] catalog = new byte[layout.CatalogEntries * 4];
        await file.ReadBytesAsync(layout.CatalogOffset, catalog, cancellation).ConfigureAwait(false);
        uint[] extents = new uint[layout.CatalogEntries];
        for (int i = 0; i < extents.Length; i++) extents[i] = BinaryPrimitives.ReadUInt32LittleEndian(catalog.AsSpan(i * 4));
        return new BochsNode(file, layout, extents);
    }

    /// <inheritdoc/>
    public override ValueTask CreateAsync(BlockNode file, ImageCreateRequest request, CancellationToken cancellation) =>
        throw new ImageException($"Format driver '{Name}' does not support image creation");

    // Sizes are capped before anything is taken for them.
    private static BochsLayout ReadLayout(ReadOnlySpan<byte> header)
    {
        bool isFirstVersion = BinaryPrimitives.ReadUInt32LittleEndian(header[64..]) == 0x10000;
        uint headerBytes = BinaryPrimitives.ReadUInt32LittleEndian(header[68..]), entries = BinaryPrimitives.ReadUInt32LittleEndian(header[72..]);
        uint bitmapBytes = BinaryPrimitives.ReadUInt32LittleEndian(header[76..]), extentBytes = BinaryPrimitives.ReadUInt32LittleEndian(header[80..]);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(header[(isFirstVersion ? 84 : 88)..]);
        if (entries > MaxCatalogEntries) throw new ImageException("Catalog size is too large");
        if (extentBytes < SectorBytes || (extentBytes & (extentBytes - 1)) != 0) throw new ImageException($"Extent size {extentBytes} is too small");
        if (extentBytes > MaxExtentBytes) throw new ImageException($"Extent size {extentBytes} is too large");
        if (bitmapBytes == 0 || bitmapBytes > MaxExtentBytes || (ulong)bitmapBytes * 8 * SectorBytes < extentBytes) throw new ImageException("Bitmap size does not fit");
        if (length > (ulong)long.MaxValue - extentBytes || entries < (length + extentBytes - 1) / extentBytes) throw new ImageException("Catalog size is too small for this disk size");
        return new BochsLayout(headerBytes, (int)entries, RoundUp(bitmapBytes), (int)extentBytes, (long)(length & ~(ulong)(SectorBytes - 1)));
    }

    private static int RoundUp(uint bytes) => (int)((bytes + SectorBytes - 1) / SectorBytes * SectorBytes);

    private static bool Is(ReadOnlySpan<byte> text, ReadOnlySpan<byte> expected) => text.StartsWith(expected);
}

/// <summary>Where a Bochs image has what.</summary>
/// <param name="CatalogOffset">Where the catalog begins.</param>
/// <param name="CatalogEntries">How many extents the disk has.</param>
/// <param name="BitmapBytes">Length of the bitmap in front of each extent.</param>
/// <param name="ExtentBytes">Length of an extent's data.</param>
/// <param name="LengthBytes">The disk's length.</param>
internal sealed record BochsLayout(uint CatalogOffset, int CatalogEntries, int BitmapBytes, int ExtentBytes, long LengthBytes);
