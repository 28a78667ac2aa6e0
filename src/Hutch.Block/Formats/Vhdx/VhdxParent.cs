using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vhdx;

/// <summary>Finds and opens the parent of a differencing VHDX (MS-VHDX §2.6.2.6.3).</summary>
internal static class VhdxParent
{
    /// <summary>The reference as the image has it, and the parent; null where it is left closed. Throws <see cref="ImageException"/> for the wrong parent.</summary>
    internal static async ValueTask<(ImageReference Reference, BlockNode? Parent)> OpenAsync(BlockNode file, IReadOnlyDictionary<string, string> locator,
        ImageOpenOptions options, CancellationToken cancellation)
    {
        ImageReference reference = new(ImageReferenceKind.Backing, FindName(locator), "vhdx");
        if (options.References is null || options.NoData) return (reference, null);
        BlockNode? parent = await options.References.OpenAsync(reference, file, readOnly: true, cancellation).ConfigureAwait(false);
        if (parent is null) return (reference, null);
        if (parent is VhdxNode node && (IsLink(locator, "parent_linkage", node.DataWriteId) || IsLink(locator, "parent_linkage2", node.DataWriteId))) return (reference, parent);
        await parent.DisposeAsync().ConfigureAwait(false);
        throw new ImageException($"The parent '{reference.Name}' is not the disk that this image was made over, or was changed since");
    }

    private static bool IsLink(IReadOnlyDictionary<string, string> locator, string key, Guid id) =>
        locator.TryGetValue(key, out string? text) && Guid.TryParse(text, out Guid linked) && linked == id;

    // The relative name counts: Windows' absolute ones lead nowhere here. Without one the parent is looked for beside the image.
    private static string FindName(IReadOnlyDictionary<string, string> locator)
    {
        if (locator.TryGetValue("relative_path", out string? relative))
        {
            string name = relative.Replace('\\', '/');
            return name.StartsWith("./", StringComparison.Ordinal) ? name[2..] : name;
        }
        string path = (locator.GetValueOrDefault("volume_path") ?? locator.GetValueOrDefault("absolute_win32_path") ?? "").Replace('\\', '/');
        return path[(path.LastIndexOf('/') + 1)..];
    }
}
