using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Formats;

/// <summary>A persistent dirty bitmap.</summary>
/// <param name="Name">Name, unique in the image, at most 1023 bytes.</param>
/// <param name="GranularityBytes">Bytes of the disk for each bit, a power of two.</param>
/// <param name="IsEnabled">It records writes ("auto").</param>
/// <param name="IsInconsistent">The image was not closed properly ("in-use"): its bits mean nothing.</param>
public sealed record ImageBitmap(string Name, long GranularityBytes, bool IsEnabled, bool IsInconsistent);

/// <summary>Persistent dirty bitmaps of an image. Changes come while no request is in flight; what cannot be is an <see cref="ImageException"/>.</summary>
public interface IImageBitmaps
{
    /// <summary>All, in the directory's order.</summary>
    IReadOnlyList<ImageBitmap> Bitmaps { get; }

    /// <summary>Adds an empty one. <paramref name="granularityBytes"/> 0: the default.</summary>
    ValueTask AddBitmapAsync(string name, long granularityBytes, bool enabled, CancellationToken cancellation);

    /// <summary>Removes one.</summary>
    ValueTask RemoveBitmapAsync(string name, CancellationToken cancellation);

    /// <summary>Clears all bits of one.</summary>
    ValueTask ClearBitmapAsync(string name, CancellationToken cancellation);

    /// <summary>Starts or ends recording.</summary>
    ValueTask EnableBitmapAsync(string name, bool enabled, CancellationToken cancellation);

    /// <summary>Adds the bits of <paramref name="sourceName"/> in <paramref name="source"/> to one.</summary>
    ValueTask MergeBitmapAsync(string name, IImageBitmaps source, string sourceName, CancellationToken cancellation);

    /// <summary>
    /// Makes all changes of bitmaps durable, as closing the image does too; until then a crash makes those that changed, or recorded, inconsistent. Throws
    /// <see cref="Graph.BlockIoException"/>.
    /// </summary>
    ValueTask StoreBitmapsAsync(CancellationToken cancellation);

    /// <summary>The next run of set or clear bits at <paramref name="offset"/>: whether it is dirty, and its length in bytes.</summary>
    ValueTask<(bool IsDirty, long LengthBytes)> GetDirtyExtentAsync(string name, long offset, CancellationToken cancellation);
}
