using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Files;
using Hutch.Block.Formats;
using Hutch.Block.Graph;

namespace Hutch.Block;

/// <summary>Makes files of the host for images.</summary>
public sealed class BlockFiles : IImageFiles
{
    /// <summary>Page cache and durability of what is made.</summary>
    public CacheMode Cache { get; init; } = CacheMode.Writeback;

    /// <summary>How requests are given to the kernel.</summary>
    public AioMode Aio { get; init; } = AioMode.Auto;

    /// <summary>
    /// Makes a file of this length, or empties the one that is there once it is locked, and opens it for writing. A block device keeps its content and must be long
    /// enough. The first flush makes the name durable too. Throws <see cref="DiskOpenException"/>, and <see cref="BlockIoException"/> where the space cannot be had.
    /// </summary>
    public async ValueTask<BlockNode> CreateAsync(string path, long lengthBytes, Preallocation preallocation, CancellationToken cancellation) =>
        await FileNode.CreateAsync(path, lengthBytes, preallocation, new FileOpenOptions { Cache = Cache, Aio = Aio }, cancellation).ConfigureAwait(false);
}
