using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vdi;

/// <summary>VirtualBox disk images, dynamic and static, without a parent.</summary>
internal sealed class VdiFormat : ImageFormat
{
    // Behind the header; the data begins on a page of the file.
    private const uint MapOffset = VdiHeader.Bytes;
    private const int ChunkEntries = 64 * 1024;

    private VdiFormat() { }

    /// <summary>The format.</summary>
    internal static VdiFormat Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "vdi";

    /// <inheritdoc/>
    public override IReadOnlyList<CreateOption> CreateOptions { get; } =
    [
        new("size", CreateOptionType.Size, "Virtual disk size"),
        new("static", CreateOptionType.Switch, "VDI static (pre-allocated) image", "off"),
    ];

    /// <inheritdoc/>
    public override int Probe(ReadOnlySpan<byte> head, string fileName) => head.Length >= VdiHeader.Bytes && VdiHeader.Recognise(head) ? 100 : 0;

    /// <inheritdoc/>
    public override async ValueTask<ImageNode> OpenAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation)
    {
        byte[] bytes = new byte[VdiHeader.Bytes];
        await file.ReadBytesAsync(0, bytes, cancellation).ConfigureAwait(false);
        VdiHeader header = VdiHeader.Parse(bytes);
        if (header.MapOffset + (header.Blocks * 4L) > file.LengthBytes) throw new ImageException("unsupported VDI image (the file ends within its block map)");
        return VdiNode.Create(file, header, options.ReadOnly);
    }

    /// <inheritdoc/>
    public override async ValueTask CreateAsync(BlockNode file, ImageCreateRequest request, CancellationToken cancellation)
    {
        if (request.LengthBytes > VdiHeader.MaxDiskBytes) throw VdiHeader.TooLarge((ulong)request.LengthBytes);
        bool isStatic = OptionText.IsOn(request.Options, "static", false) || request.Options.GetValueOrDefault("preallocation", "off") switch
        {
            "off" => false,
            "metadata" => true,
            _ => throw new ImageException("Preallocation mode not supported for vdi"),
        };
        uint blocks = (uint)((request.LengthBytes + VdiHeader.BlockBytes - 1) / VdiHeader.BlockBytes);
        uint data = (MapOffset + (blocks * 4) + 4095) & ~4095u;
        VdiHeader header = new()
        {
            DiskBytes = request.LengthBytes,
            IsStatic = isStatic,
            MapOffset = MapOffset,
            DataOffset = data,
            Blocks = blocks,
            AllocatedBlocks = isStatic ? blocks : 0,
        };
        await file.ResizeAsync(data + (isStatic ? blocks * (long)VdiHeader.BlockBytes : 0), Preallocation.Off, cancellation).ConfigureAwait(false);
        await file.WriteBytesAsync(0, header.ToBytes(), WriteFlags.None, cancellation).ConfigureAwait(false);
        await WriteMapAsync(file, blocks, isStatic, cancellation).ConfigureAwait(false);
    }

    private static async ValueTask WriteMapAsync(BlockNode file, uint blocks, bool isStatic, CancellationToken cancellation)
    {
        byte[] chunk = new byte[(int)Math.Min(blocks, ChunkEntries) * 4];
        for (uint done = 0; done < blocks;)
        {
            int count = (int)Math.Min(blocks - done, ChunkEntries);
            for (int i = 0; i < count; i++) BinaryPrimitives.WriteUInt32LittleEndian(chunk.AsSpan(i * 4), isStatic ? done + (uint)i : VdiMap.Unallocated);
            await file.WriteBytesAsync(MapOffset + (done * 4L), chunk.AsMemory(0, count * 4), WriteFlags.None, cancellation).ConfigureAwait(false);
            done += (uint)count;
        }
    }
}
