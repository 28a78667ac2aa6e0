using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Block.Options;

namespace Hutch.Block.Formats.Raw;

/// <summary>Raw images: any file is one. A range of a file can be shown alone, with the options offset and size.</summary>
internal sealed class RawFormat : ImageFormat
{
    private const int SectorBytes = 512, FirstBlockBytes = 4096;

    private RawFormat() { }

    /// <summary>The format.</summary>
    internal static RawFormat Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "raw";

    /// <inheritdoc/>
    public override IReadOnlyList<CreateOption> CreateOptions { get; } =
    [
        new("size", CreateOptionType.Size, "Virtual disk size"),
        new("preallocation", CreateOptionType.Text, "Preallocation mode (allowed values: off, falloc, full)"),
    ];

    /// <summary>Raw is what nothing else is.</summary>
    public override int Probe(ReadOnlySpan<byte> head, string fileName) => 1;

    /// <inheritdoc/>
    public override ValueTask<ImageNode> OpenAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation)
    {
        OptionSet given = new(options.Options);
        long start = given.TakeSize("offset") ?? 0;
        long? size = given.TakeSize("size");
        long present = file.LengthBytes;
        if (start > present) throw new ImageException($"Offset ({start}) cannot be greater than size of the containing file ({present})");
        if (size > present - start) throw new ImageException($"The sum of offset ({start}) and size ({size}) has to be smaller or equal to the  actual size of the containing file ({present})");
        if (size % SectorBytes is not (null or 0)) throw new ImageException($"Specified size is not multiple of {SectorBytes}");
        return new(new RawNode(file, start, size));
    }

    /// <inheritdoc/>
    public override async ValueTask CreateAsync(BlockNode file, ImageCreateRequest request, CancellationToken cancellation)
    {
        Preallocation preallocation = request.Options.GetValueOrDefault("preallocation", "off") switch
        {
            "off" => Preallocation.Off,
            "falloc" => Preallocation.Falloc,
            "full" => Preallocation.Full,
            string other => throw new ImageException($"Parameter 'preallocation' does not accept value '{other}'"),
        };
        long length = (request.LengthBytes + (SectorBytes - 1)) & -SectorBytes;
        await file.ResizeAsync(length, preallocation, cancellation).ConfigureAwait(false);
        // File systems tell the alignment that direct I/O needs only where there is a block.
        int first = (int)Math.Min(length, FirstBlockBytes);
        if (preallocation == Preallocation.Off && first > 0) await file.WriteBytesAsync(0, new byte[first], WriteFlags.None, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override ValueTask<ImageMeasure> MeasureAsync(BlockNode? source, ImageCreateRequest request, CancellationToken cancellation)
    {
        long length = source?.LengthBytes ?? request.LengthBytes;
        return new(new ImageMeasure(length, length, null));
    }
}
