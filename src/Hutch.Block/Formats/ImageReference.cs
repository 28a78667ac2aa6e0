using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats;

/// <summary>What an image names another file for.</summary>
public enum ImageReferenceKind
{
    /// <summary>What shows through where the image has nothing. Opened read-only.</summary>
    Backing,

    /// <summary>Where the image's data lies: an external data file, an extent.</summary>
    Data,
}

/// <summary>A file that an image names in its metadata. Nothing about it can be trusted.</summary>
/// <param name="Kind">What it is for.</param>
/// <param name="Name">As it stands in the image: a path, relative to the image's folder, a URI, or a json: description.</param>
/// <param name="Format">The format's name as it stands in the image; null where the image does not say.</param>
public sealed record ImageReference(ImageReferenceKind Kind, string Name, string? Format);

/// <summary>
/// Decides whether an image's references are followed, and opens them: the one place of that policy. Formats ask it and open nothing by themselves.
/// </summary>
public interface IImageReferences
{
    /// <summary>
    /// Opens what <paramref name="reference"/> names for the image <paramref name="owner"/> (the node of its file). Null for a backing image that is
    /// to be left closed. Throws <see cref="ImageException"/> where references are not followed, loop, go too deep, or cannot be opened.
    /// A <see cref="ImageReferenceKind.Data"/> reference without a format is opened as the file that it is, which grows as it is written. The caller owns the node.
    /// </summary>
    ValueTask<BlockNode?> OpenAsync(ImageReference reference, BlockNode owner, bool readOnly, CancellationToken cancellation);
}
