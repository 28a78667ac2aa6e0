using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vmdk;

/// <summary>Opens the image that a VMDK was made over.</summary>
internal static class VmdkParent
{
    /// <summary>The parent; null where there is none, or it is left closed. Throws <see cref="ImageException"/> for one that has changed since.</summary>
    internal static async ValueTask<BlockNode?> OpenAsync(BlockNode file, VmdkDescriptor descriptor, ImageOpenOptions options, CancellationToken cancellation)
    {
        if (descriptor.ParentFileName is not string name || options.References is null || options.NoData) return null;
        BlockNode? parent = await options.References.OpenAsync(new ImageReference(ImageReferenceKind.Backing, name, "vmdk"), file, readOnly: true, cancellation).ConfigureAwait(false);
        if (parent is null || (parent is VmdkNode node && node.Cid == descriptor.ParentCid)) return parent;
        await parent.DisposeAsync().ConfigureAwait(false);
        throw new ImageException($"The parent '{name}' is not the disk that this image was made over, or was changed since", $"Its CID should be {descriptor.ParentCid:x8}.");
    }
}
