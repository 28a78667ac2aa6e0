using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Mapped;

/// <summary>An image of a format that is only read.</summary>
internal sealed class ReadOnlyImageNode(BlockMap map, ImageFormat format, ImageReference? backing) : MappedImageNode(map, readOnly: true)
{
    /// <inheritdoc/>
    public override ImageFormat Format => format;

    /// <inheritdoc/>
    public override ImageReference? BackingReference => backing;
}

/// <summary>What formats that are only read have in common.</summary>
internal abstract class ReadOnlyFormat : ImageFormat
{
    /// <inheritdoc/>
    public sealed override System.Collections.Generic.IReadOnlyList<CreateOption> CreateOptions => [];

    /// <inheritdoc/>
    public sealed override bool CanCreate => false;

    /// <inheritdoc/>
    public sealed override ValueTask CreateAsync(BlockNode file, ImageCreateRequest request, CancellationToken cancellation) =>
        throw new ImageException($"Format driver '{Name}' does not support image creation");

    /// <summary>Throws where the image is to be written.</summary>
    protected void CheckReadOnly(ImageOpenOptions options)
    {
        if (!options.ReadOnly) throw new ImageException($"Images of format '{Name}' can only be read", "Open it read-only, or convert it to qcow2.");
    }

    /// <summary>The backing image, opened where that is wanted.</summary>
    protected static ValueTask<BlockNode?> OpenBackingAsync(BlockNode file, ImageReference? reference, ImageOpenOptions options, CancellationToken cancellation) =>
        reference is null || options.References is null || options.NoData
            ? ValueTask.FromResult<BlockNode?>(null)
            : options.References.OpenAsync(reference, file, readOnly: true, cancellation);
}
