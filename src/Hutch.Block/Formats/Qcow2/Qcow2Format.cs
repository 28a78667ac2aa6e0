using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>qcow2, versions 2 and 3 (QEMU's docs/interop/qcow2).</summary>
internal sealed class Qcow2Format : ImageFormat
{
    private Qcow2Format() { }

    /// <summary>The format.</summary>
    internal static Qcow2Format Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "qcow2";

    /// <inheritdoc/>
    public override IReadOnlyList<CreateOption> CreateOptions => Qcow2CreateOptions.All;

    /// <inheritdoc/>
    public override bool HasBacking => true;

    /// <inheritdoc/>
    public override bool CanCompress => true;

    /// <inheritdoc/>
    public override int Probe(ReadOnlySpan<byte> head, string fileName) =>
        head.Length >= Qcow2Limits.HeaderV2Bytes && BinaryPrimitives.ReadUInt32BigEndian(head) == Qcow2Limits.Magic && BinaryPrimitives.ReadUInt32BigEndian(head[4..]) >= 2 ? 100 : 0;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, string> JoinOptions(IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string> now)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(now);
        return Qcow2OpenSettings.Join(before, now);
    }

    /// <inheritdoc/>
    public override async ValueTask<ImageNode> OpenAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation) =>
        await Qcow2Opener.OpenAsync(file, ownsFile: true, dataFile: null, options, cancellation).ConfigureAwait(false);

    /// <inheritdoc/>
    public override ValueTask CreateAsync(BlockNode file, ImageCreateRequest request, CancellationToken cancellation) => Qcow2Creator.CreateAsync(file, request, cancellation);

    /// <inheritdoc/>
    public override ValueTask<ImageMeasure> MeasureAsync(BlockNode? source, ImageCreateRequest request, CancellationToken cancellation) =>
        Qcow2Measure.MeasureAsync(source, request, cancellation);
}
