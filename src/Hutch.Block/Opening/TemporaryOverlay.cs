using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Files;
using Hutch.Block.Formats;
using Hutch.Block.Graph;

namespace Hutch.Block.Opening;

/// <summary>An overlay in a file without a name: what is written to the image goes away with it.</summary>
internal static class TemporaryOverlay
{
    /// <summary>Lays an overlay on <paramref name="below"/>, which it owns from then on unless it throws.</summary>
    internal static async ValueTask<ImageNode> OverAsync(ImageNode below, CancellationToken cancellation)
    {
        string folder = Environment.GetEnvironmentVariable("TMPDIR") is { Length: > 0 } set ? set : "/var/tmp";
        string path = Path.Combine(folder, $"hutch-{Guid.NewGuid():N}.qcow2");
        ImageFormat format = ImageFormats.Find("qcow2")!;
        FileNode file = await FileNode.CreateAsync(path, 0, Preallocation.Off, new FileOpenOptions { Cache = CacheMode.Unsafe }, cancellation).ConfigureAwait(false);
        try
        {
            File.Delete(path);
            Dictionary<string, string> options = new() { ["backing_file"] = "below", ["backing_fmt"] = below.Format.Name };
            await format.CreateAsync(file, new ImageCreateRequest { LengthBytes = below.LengthBytes, Options = options }, cancellation).ConfigureAwait(false);
            return await format.OpenAsync(file, new ImageOpenOptions { ReadOnly = false, References = new OnlyReference(below) }, cancellation).ConfigureAwait(false);
        }
        catch
        {
            await file.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private sealed class OnlyReference(BlockNode below) : IImageReferences
    {
        public ValueTask<BlockNode?> OpenAsync(ImageReference reference, BlockNode owner, bool readOnly, CancellationToken cancellation) =>
            reference.Kind == ImageReferenceKind.Backing ? new(below) : throw new ImageException("A temporary overlay has no data file");
    }
}
