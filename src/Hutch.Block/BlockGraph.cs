using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Files;
using Hutch.Block.Formats;
using Hutch.Block.Graph;

namespace Hutch.Block;

/// <summary>Opens images: protocol, format, and what they name. The one place where a name becomes a node.</summary>
public static class BlockGraph
{
    /// <summary>
    /// Opens an image and all below it. The caller owns the node. Throws <see cref="ImageException"/> for an image that is wrong,
    /// <see cref="DiskOpenException"/> for a file that cannot be opened, <see cref="BlockIoException"/> where storage fails.
    /// </summary>
    public static async ValueTask<ImageNode> OpenAsync(BlockOpenRequest request, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(request);
        BlockNode file = FileNode.Open(request.Filename, new FileOpenOptions
        {
            ReadOnly = request.ReadOnly,
            ForceShare = request.ForceShare,
            Cache = request.Cache,
            Aio = request.Aio,
            Unmap = request.Unmap,
        });
        try
        {
            ImageFormat format = request.Format is null
                ? await ProbeAsync(file, cancellation).ConfigureAwait(false)
                : ImageFormats.Find(request.Format) ?? throw new ImageException($"Unknown driver '{request.Format}'");
            ImageOpenOptions options = new()
            {
                ReadOnly = request.ReadOnly,
                ForCheck = request.ForCheck,
                NoData = request.NoData,
                Secrets = request.Secrets,
                Options = request.Options,
            };
            return await format.OpenAsync(file, options, cancellation).ConfigureAwait(false);
        }
        catch
        {
            await file.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static async ValueTask<ImageFormat> ProbeAsync(BlockNode file, CancellationToken cancellation)
    {
        byte[] head = new byte[Math.Min(ImageFormats.ProbeBytes, file.LengthBytes)];
        await file.ReadBytesAsync(0, head, cancellation).ConfigureAwait(false);
        return ImageFormats.Probe(head, file.Filename);
    }
}
