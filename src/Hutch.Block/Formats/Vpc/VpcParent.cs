using System;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vpc;

/// <summary>Finds and opens the parent of a differencing VHD.</summary>
internal static class VpcParent
{
    /// <summary>The reference as the image has it, and the parent; null where it is left closed. Throws <see cref="ImageException"/> for the wrong parent.</summary>
    internal static async ValueTask<(ImageReference Reference, BlockNode? Parent)> OpenAsync(BlockNode file, VpcDynamicHeader header, ImageOpenOptions options,
        CancellationToken cancellation)
    {
        ImageReference reference = new(ImageReferenceKind.Backing, await FindNameAsync(file, header, cancellation).ConfigureAwait(false), "vpc");
        if (options.References is null || options.NoData) return (reference, null);
        BlockNode? parent = await options.References.OpenAsync(reference, file, readOnly: true, cancellation).ConfigureAwait(false);
        Guid? id = parent switch
        {
            VpcNode node => node.UniqueId,
            VpcFixedNode node => node.UniqueId,
            _ => null,
        };
        if (parent is null || id == header.ParentId) return (reference, parent);
        await parent.DisposeAsync().ConfigureAwait(false);
        throw new ImageException($"The parent '{reference.Name}' is not the disk that this image was made over", $"Its identity should be {header.ParentId}.");
    }

    // The relative name counts: Windows' absolute ones lead nowhere here. Without one the parent is looked for beside the image.
    private static async ValueTask<string> FindNameAsync(BlockNode file, VpcDynamicHeader header, CancellationToken cancellation)
    {
        foreach (VpcParentLocator locator in header.ParentLocators)
        {
            if (locator.Platform != "W2ru" || locator.Offset > file.LengthBytes - locator.LengthBytes) continue;
            byte[] bytes = new byte[locator.LengthBytes];
            await file.ReadBytesAsync(locator.Offset, bytes, cancellation).ConfigureAwait(false);
            string name = Encoding.Unicode.GetString(bytes).TrimEnd('\0').Replace('\\', '/');
            if (name.StartsWith("./", StringComparison.Ordinal)) name = name[2..];
            if (name.Length != 0) return name;
        }
        string last = header.ParentName.Replace('\\', '/');
        return last[(last.LastIndexOf('/') + 1)..];
    }
}
