using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Options;

namespace Hutch.Block.Opening;

/// <summary>
/// Follows the references of one image, or does not: the one place of that policy. Chains are followed to a depth that no honest image has, and never
/// back to a file that is already above.
/// </summary>
/// <param name="opener">Opens what is named.</param>
/// <param name="place">Where the image is in its chain.</param>
/// <param name="backing">What the user says about the backing image: options of its nodes; a driver or file of its own replaces the name in the image.</param>
/// <param name="noBacking">The user wants none.</param>
internal sealed class ImageReferences(GraphOpener opener, ChainPlace place, OptionSet backing, bool noBacking) : IImageReferences
{
    /// <inheritdoc/>
    public ValueTask<BlockNode?> OpenAsync(ImageReference reference, BlockNode owner, bool readOnly, CancellationToken cancellation) => reference.Kind switch
    {
        ImageReferenceKind.Backing => OpenBackingAsync(reference, owner, cancellation),
        _ => OpenDataAsync(reference, owner, readOnly, cancellation),
    };

    private async ValueTask<BlockNode?> OpenBackingAsync(ImageReference reference, BlockNode owner, CancellationToken cancellation)
    {
        if (noBacking || opener.Policy != ReferencePolicy.Follow) return null;
        string name = backing.Peek("file.filename") is null ? ResolveBacking(reference, owner) : "";
        string? format = backing.Take("driver") ?? reference.Format;
        try
        {
            return await opener.OpenImageAsync(name, format, backing, readOnly: true, place.Below(name), cancellation).ConfigureAwait(false);
        }
        catch (ImageException e)
        {
            throw new ImageException($"Could not open backing file: {e.Message}", e.Hint) { Remark = e.Remark };
        }
    }

    private static string ResolveBacking(ImageReference reference, BlockNode owner) => FileNames.Resolve(owner.Filename, reference.Name)
        ?? throw new ImageException($"Cannot use relative backing file names for '{owner.Filename}'");

    private async ValueTask<BlockNode?> OpenDataAsync(ImageReference reference, BlockNode owner, bool readOnly, CancellationToken cancellation)
    {
        if (opener.Policy == ReferencePolicy.Refuse)
            throw new ImageException($"The image names the file '{reference.Name}', and references of this image are not followed", "Open the image as a trusted one to allow that.");
        string name = FileNames.Resolve(owner.Filename, reference.Name)
            ?? throw new ImageException($"Cannot use relative extent paths for '{owner.Filename}'");
        place.Below(name);
        return reference.Format is null
            ? await opener.OpenProtocolAsync(name, new OptionSet(), readOnly, cancellation).ConfigureAwait(false)
            : await opener.OpenImageAsync(name, reference.Format, new OptionSet(), readOnly, place.Below(name), cancellation).ConfigureAwait(false);
    }
}
