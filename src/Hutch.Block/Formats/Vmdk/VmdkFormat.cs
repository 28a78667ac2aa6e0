using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vmdk;

/// <summary>
/// VMware disks: hosted sparse extents, also compressed streams, and flat extents, in one file or several. A descriptor's file names are followed only through
/// <see cref="ImageOpenOptions.References"/>: one that names any file of the host must open nothing.
/// </summary>
internal sealed class VmdkFormat : ImageFormat
{
    private VmdkFormat() { }

    /// <summary>The format.</summary>
    internal static VmdkFormat Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "vmdk";

    /// <inheritdoc/>
    public override bool HasBacking => true;

    /// <inheritdoc/>
    public override bool CanCompress => true;

    /// <inheritdoc/>
    public override IReadOnlyList<CreateOption> CreateOptions { get; } =
    [
        new("size", CreateOptionType.Size, "Virtual disk size"),
        new("adapter_type", CreateOptionType.Text, "Virtual adapter type, can be one of ide (default), lsilogic, buslogic or legacyESX"),
        new("backing_file", CreateOptionType.Text, "File name of a base image"),
        new("backing_fmt", CreateOptionType.Text, "Must be 'vmdk' if present"),
        new("compat6", CreateOptionType.Switch, "VMDK version 6 image", "off"),
        new("hwversion", CreateOptionType.Text, "VMDK hardware version", "undefined"),
        new("toolsversion", CreateOptionType.Text, "VMware guest tools version"),
        new("subformat", CreateOptionType.Text,
            "VMDK flat extent format, can be one of {monolithicSparse (default) | monolithicFlat | twoGbMaxExtentSparse | twoGbMaxExtentFlat | streamOptimized} "),
        new("zeroed_grain", CreateOptionType.Switch, "Enable efficient zero writes using the zeroed-grain GTE feature"),
    ];

    /// <inheritdoc/>
    public override int Probe(ReadOnlySpan<byte> head, string fileName) => head.StartsWith(VmdkSparseHeader.Magic) || VmdkDescriptor.Recognise(head) ? 100 : 0;

    /// <inheritdoc/>
    public override async ValueTask<ImageNode> OpenAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation)
    {
        byte[] magic = new byte[4];
        if (file.LengthBytes < magic.Length) throw new ImageException("File is too small, not a valid image");
        await file.ReadBytesAsync(0, magic, cancellation).ConfigureAwait(false);
        return magic.AsSpan().SequenceEqual(VmdkSparseHeader.Magic)
            ? await OpenSparseAsync(file, options, cancellation).ConfigureAwait(false)
            : await OpenDescriptorAsync(file, options, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override ValueTask CreateAsync(BlockNode file, ImageCreateRequest request, CancellationToken cancellation) => VmdkCreation.CreateAsync(file, request, cancellation);

    private static async ValueTask<ImageNode> OpenSparseAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation)
    {
        VmdkSparseHeader header = await VmdkSparseHeader.ReadAsync(file, options.ReadOnly, cancellation).ConfigureAwait(false);
        VmdkDescriptorText text = VmdkDescriptorText.None;
        if (header.DescriptorOffset != 0 && header.DescriptorSectors != 0)
        {
            long offset = header.DescriptorOffset * VmdkSparseHeader.Bytes, room = header.DescriptorSectors * VmdkSparseHeader.Bytes;
            byte[] bytes = new byte[Math.Min(room, VmdkDescriptor.MaxBytes)];
            await file.ReadBytesAsync(offset, bytes, cancellation).ConfigureAwait(false);
            if (bytes[0] != 0) text = new VmdkDescriptorText(bytes, offset, room);
        }
        BlockNode? backing = await VmdkParent.OpenAsync(file, text.Descriptor, options, cancellation).ConfigureAwait(false);
        try
        {
            VmdkSparseMap map = await VmdkSparseMap.OpenAsync(file, backing, 0, header, options.ReadOnly, cancellation).ConfigureAwait(false);
            VmdkExtent extent = new VmdkSparseExtent(map, "") { Start = 0, LengthBytes = map.LengthBytes };
            return new VmdkNode(file, backing, text, [extent], options.ReadOnly);
        }
        catch when (backing is not null)
        {
            await backing.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static async ValueTask<ImageNode> OpenDescriptorAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation)
    {
        byte[] bytes = new byte[(int)Math.Min(file.LengthBytes, VmdkDescriptor.MaxBytes)];
        await file.ReadBytesAsync(0, bytes, cancellation).ConfigureAwait(false);
        if (!VmdkDescriptor.Recognise(bytes)) throw new ImageException("Image not in VMDK format");
        VmdkDescriptorText text = new(bytes, 0, VmdkDescriptor.MaxBytes);
        if (text.Descriptor.CreateType is not ("monolithicFlat" or "vmfs" or "vmfsSparse" or "twoGbMaxExtentSparse" or "twoGbMaxExtentFlat" or "monolithicSparse" or "custom"))
            throw new ImageException($"Unsupported image type '{text.Descriptor.CreateType}'");
        if (text.Descriptor.Extents.Length == 0) throw new ImageException("invalid VMDK image descriptor", "It has no extents.");
        List<VmdkExtent> extents = [];
        BlockNode? backing = null;
        try
        {
            backing = await VmdkParent.OpenAsync(file, text.Descriptor, options, cancellation).ConfigureAwait(false);
            long start = 0;
            foreach (VmdkExtentLine line in text.Descriptor.Extents)
            {
                if (start > long.MaxValue - line.LengthBytes) throw new ImageException($"Invalid extent line: the disk ends at {start} and {line.LengthBytes} bytes");
                extents.Add(await OpenExtentAsync(file, line, start, backing, options, cancellation).ConfigureAwait(false));
                start += line.LengthBytes;
            }
            return new VmdkNode(file, backing, text, [.. extents], options.ReadOnly);
        }
        catch
        {
            await VmdkNode.DisposeAllAsync(null, extents).ConfigureAwait(false);
            if (backing is not null) await backing.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static async ValueTask<VmdkExtent> OpenExtentAsync(BlockNode file, VmdkExtentLine line, long start, BlockNode? backing, ImageOpenOptions options, CancellationToken cancellation)
    {
        if (line.Type == "ZERO") return new VmdkZeroExtent { Start = start, LengthBytes = line.LengthBytes };
        if (line.Type == "SESPARSE" || line.Type == "VMFSSPARSE") throw new ImageException($"Unsupported extent type '{line.Type}'");
        if (options.References is null)
        {
            throw new ImageException($"The descriptor's extent '{line.FileName}' is not opened",
                "An image that is not trusted opens no other file. Allow references if you know where the image is from.");
        }
        BlockNode part = await options.References.OpenAsync(new ImageReference(ImageReferenceKind.Data, line.FileName, null), file, options.ReadOnly, cancellation).ConfigureAwait(false)
            ?? throw new ImageException($"The descriptor's extent '{line.FileName}' is not opened");
        try
        {
            if (line.Type is "FLAT" or "VMFS") return new VmdkFlatExtent(part, line.OffsetSectors * 512, line.Type) { Start = start, LengthBytes = line.LengthBytes };
            VmdkSparseHeader header = await VmdkSparseHeader.ReadAsync(part, options.ReadOnly, cancellation).ConfigureAwait(false);
            VmdkSparseMap map = await VmdkSparseMap.OpenAsync(part, backing, start, header, options.ReadOnly, cancellation).ConfigureAwait(false);
            if (map.LengthBytes < line.LengthBytes) throw new ImageException($"Extent '{line.FileName}' has {map.LengthBytes} of {line.LengthBytes} bytes");
            return new VmdkSparseExtent(map, line.Type) { Start = start, LengthBytes = line.LengthBytes };
        }
        catch
        {
            await part.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}
