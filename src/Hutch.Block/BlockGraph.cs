using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Filters;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Opening;
using Hutch.Block.Options;

namespace Hutch.Block;

/// <summary>Opens and makes images: protocol, format, and what they name. The one place where a name becomes a node.</summary>
public static class BlockGraph
{
    /// <summary>
    /// Opens an image and all below it. The caller owns the node. Throws <see cref="ImageException"/> for an image that is wrong or a file that cannot be
    /// opened, <see cref="BlockIoException"/> where storage fails.
    /// </summary>
    public static async ValueTask<ImageNode> OpenAsync(BlockOpenRequest request, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.CopyOnRead && request.ReadOnly) throw new ImageException("Can't use copy-on-read on read-only device");
        string name = request.Filename.Length > 0 ? request.Filename : request.Options.GetValueOrDefault("file.filename", "");
        BlockNode node = await new GraphOpener(request)
            .OpenImageAsync(request.Filename, request.Format, new OptionSet(request.Options), request.ReadOnly || request.IsTemporary, ChainPlace.Top(name), cancellation).ConfigureAwait(false);
        if (request.CopyOnRead) node = new CopyOnReadNode(node);
        ImageNode image = node as ImageNode ?? new DriverImage(node);
        if (!request.IsTemporary) return image;
        try
        {
            return await TemporaryOverlay.OverAsync(image, cancellation).ConfigureAwait(false);
        }
        catch
        {
            await image.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Makes a new image. Throws as <see cref="OpenAsync"/> does; a local file that was begun is removed then.</summary>
    public static async ValueTask CreateAsync(BlockCreateRequest request, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (!request.Format.CanCreate) throw new ImageException($"Format driver '{request.Format.Name}' does not support image creation");
        ImageFiles files = new();
        BlockNode file = await files.BeginAsync(request.Filename, cancellation).ConfigureAwait(false);
        bool done = false;
        try
        {
            ImageCreateRequest image = new() { LengthBytes = request.LengthBytes, Options = request.Options, Secrets = request.Secrets, Files = files };
            await request.Format.CreateAsync(file, image, cancellation).ConfigureAwait(false);
            done = true;
        }
        finally
        {
            await file.DisposeAsync().ConfigureAwait(false);
            if (!done) ImageFiles.Remove(request.Filename);
        }
    }

    /// <summary>Puts back what an undo file holds into the file of an image. Throws as <see cref="OpenAsync"/> does.</summary>
    public static async ValueTask UndoAsync(string undoFile, string name, CancellationToken cancellation)
    {
        GraphOpener opener = new(new BlockOpenRequest { Filename = name });
        BlockNode file = await opener.OpenProtocolAsync(name, new OptionSet(), readOnly: false, cancellation).ConfigureAwait(false);
        try
        {
            await UndoNode.ApplyAsync(undoFile, file, cancellation).ConfigureAwait(false);
        }
        finally
        {
            await file.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The name that <paramref name="name"/> in the metadata of the image <paramref name="owner"/> means; null where there is none.</summary>
    public static string? ResolveReference(string owner, string name) => FileNames.Resolve(owner, name);

    /// <summary>Whether images of a chain can be opened as this: a format, or what stores plain bytes.</summary>
    public static bool HasDriver(string name) => ImageFormats.Find(name) is not null || ProtocolDriver.Has(name);

    /// <summary>The path of a local file; null where the name is none.</summary>
    public static string? LocalPath(string name) => FileNames.LocalPath(name);

    /// <summary>Lets somebody hear of requests that a blkdebug node of the graph holds up.</summary>
    public static void ListenToBlkdebug(BlockNode top, Action<string> report)
    {
        if (FindBlkdebug(top) is BlkdebugNode node) node.Report = report;
    }

    /// <summary>A later request that raises the event waits under the name <paramref name="tag"/>. False where there is no blkdebug node.</summary>
    public static bool AddBreakpoint(BlockNode top, string eventName, string tag)
    {
        if (FindBlkdebug(top) is not BlkdebugNode node) return false;
        node.AddBreakpoint(eventName, tag);
        return true;
    }

    /// <summary>Takes a breakpoint back and lets those that wait go on. False where there is none.</summary>
    public static bool RemoveBreakpoint(BlockNode top, string tag) => FindBlkdebug(top)?.RemoveBreakpoint(tag) == true;

    /// <summary>Lets a request that waits go on. False where there is none.</summary>
    public static bool ResumeRequest(BlockNode top, string tag) => FindBlkdebug(top)?.Resume(tag) == true;

    /// <summary>Whether a request waits under this name.</summary>
    public static bool IsRequestSuspended(BlockNode top, string tag) => FindBlkdebug(top)?.IsSuspended(tag) == true;

    // Down the nodes that a request goes through.
    private static BlkdebugNode? FindBlkdebug(BlockNode? node)
    {
        while (node is not null and not BlkdebugNode)
        {
            BlockNode? below = null;
            foreach (BlockEdge edge in node.Children)
                if (edge.Kind != BlockEdgeKind.Backing) below ??= edge.Child;
            node = below;
        }
        return node as BlkdebugNode;
    }
}
