using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;

namespace Hutch.Block.Tests.Formats.Mapped;

/// <summary>Opens one image in memory, whatever is asked for.</summary>
internal sealed class MemoryParent(ImageFormat format, MemoryNode image) : IImageReferences
{
    /// <summary>Makes an image with a content.</summary>
    internal static async Task<MemoryNode> MakeAsync(ImageFormat format, byte[] content, params (string Name, string Value)[] options)
    {
        MemoryNode image = await MakeEmptyAsync(format, content.Length, options);
        await using ImageNode node = await format.OpenAsync(image, new ImageOpenOptions { ReadOnly = false }, default);
        await BlockNodeContract.Write(node, 0, content);
        await node.FlushAsync(default);
        return image.Copy();
    }

    /// <summary>Makes an empty image.</summary>
    internal static async Task<MemoryNode> MakeEmptyAsync(ImageFormat format, long lengthBytes, params (string Name, string Value)[] options)
    {
        System.Collections.Generic.Dictionary<string, string> map = [];
        foreach ((string name, string value) in options) map[name] = value;
        MemoryNode image = new(0);
        await format.CreateAsync(image, new ImageCreateRequest { LengthBytes = lengthBytes, Options = map }, default);
        return image;
    }

    /// <summary>The image, opened for reading.</summary>
    internal async Task<ImageNode> OpenAsync() => await format.OpenAsync(image.Copy(), new ImageOpenOptions { ReadOnly = true }, default);

    async ValueTask<BlockNode?> IImageReferences.OpenAsync(ImageReference reference, BlockNode owner, bool readOnly, CancellationToken cancellation) => await OpenAsync();
}
