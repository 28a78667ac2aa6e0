using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Files;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Options;
using Hutch.Host.Files;

namespace Hutch.Block.Opening;

/// <summary>Makes the files of a new image.</summary>
internal sealed class ImageFiles : IImageFiles
{
    /// <summary>Makes or empties a file and opens it for writing. Something that is no local file is opened as it is.</summary>
    internal async ValueTask<BlockNode> BeginAsync(string name, CancellationToken cancellation)
    {
        if (FileNames.LocalPath(name) is not string path)
        {
            BlockOpenRequest request = new() { Filename = name };
            return await new GraphOpener(request).OpenProtocolAsync(name, new OptionSet(), readOnly: false, cancellation).ConfigureAwait(false);
        }
        return await MakeAsync(path, 0, Preallocation.Off, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<BlockNode> CreateAsync(string path, long lengthBytes, Preallocation preallocation, CancellationToken cancellation) =>
        await MakeAsync(path, lengthBytes, preallocation, cancellation).ConfigureAwait(false);

    /// <summary>Removes what <see cref="BeginAsync"/> made, if it is a local regular file. Never throws.</summary>
    internal static void Remove(string name)
    {
        try
        {
            if (FileNames.LocalPath(name) is string path && DiskFile.FindKind(path) is DiskFileKind.Regular) File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The failure before this one is what counts.
        }
    }

    private static async ValueTask<BlockNode> MakeAsync(string path, long lengthBytes, Preallocation preallocation, CancellationToken cancellation)
    {
        try
        {
            return await FileNode.CreateAsync(path, lengthBytes, preallocation, new FileOpenOptions(), cancellation).ConfigureAwait(false);
        }
        catch (DiskOpenException e)
        {
            throw ProtocolDriver.ImageExceptionOf(e);
        }
    }
}
