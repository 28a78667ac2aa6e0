using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Formats;

/// <summary>Changes which image lies below.</summary>
public interface IImageBacking
{
    /// <summary>Writes the reference into the metadata (null: none). The data that shows through is the caller's concern, and so is the open node.</summary>
    ValueTask SetBackingReferenceAsync(string? name, string? format, CancellationToken cancellation);

    /// <summary>Gives all of the image's own data up, so that all of the backing image shows (after a commit).</summary>
    ValueTask MakeEmptyAsync(CancellationToken cancellation);
}
