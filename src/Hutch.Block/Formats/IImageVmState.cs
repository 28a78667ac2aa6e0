using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats;

/// <summary>The area of an image that holds a machine's state, from 0 on, apart from the disk.</summary>
public interface IImageVmState
{
    /// <summary>Where the area lies in the image's own addresses, behind the disk.</summary>
    long VmStateOffset { get; }

    /// <summary>Fills <paramref name="destination"/>.</summary>
    ValueTask ReadVmStateAsync(long offset, IoVector destination, CancellationToken cancellation);

    /// <summary>Writes <paramref name="source"/>.</summary>
    ValueTask WriteVmStateAsync(long offset, IoVector source, CancellationToken cancellation);
}
