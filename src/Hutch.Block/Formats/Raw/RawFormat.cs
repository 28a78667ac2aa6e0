using System;
using System.Collections.Generic;
using System.Globalization;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Raw;

/// <summary>Raw images: any file is one.</summary>
internal sealed class RawFormat : ImageFormat
{
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
    public override ValueTask<ImageNode> OpenAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation) => new(new RawNode(file));

    /// <inheritdoc/>
    public override ValueTask CreateAsync(BlockNode file, ImageCreateRequest request, CancellationToken cancellation)
    {
        Preallocation preallocation = request.Options.GetValueOrDefault("preallocation", "off") switch
        {
            "off" => Preallocation.Off,
            "falloc" => Preallocation.Falloc,
            "full" => Preallocation.Full,
            string other => throw new ImageException(string.Create(CultureInfo.InvariantCulture, $"Invalid parameter '{other}'")),
        };
        return file.ResizeAsync(request.LengthBytes, preallocation, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask<ImageMeasure> MeasureAsync(BlockNode? source, ImageCreateRequest request, CancellationToken cancellation)
    {
        long length = source?.LengthBytes ?? request.LengthBytes;
        return new(new ImageMeasure(length, length, null));
    }
}
