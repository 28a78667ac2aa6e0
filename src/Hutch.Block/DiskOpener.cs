using System;
using System.Threading.Tasks;
using Hutch.Block.Filters;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Host.Files;
using Hutch.Model.Machine;

namespace Hutch.Block;

/// <summary>Turns a disk's configuration into its block graph.</summary>
public static class DiskOpener
{
    /// <summary>Opens and locks the image and all below it. Throws <see cref="DiskOpenException"/> with one sentence for the user. The caller owns the node.</summary>
    public static BlockNode Open(DiskConfig disk)
    {
        ArgumentNullException.ThrowIfNull(disk);
        // A machine has nothing else to do while it is built.
        return OpenAsync(disk).AsTask().GetAwaiter().GetResult();
    }

    private static async ValueTask<BlockNode> OpenAsync(DiskConfig disk)
    {
        if (disk.Format is not null && ImageFormats.Find(disk.Format) is null)
            throw new DiskOpenException($"Disk \"{disk.Path}\" asks for format \"{disk.Format}\", which is not known; name one of {Formats()}.");
        CheckKind(disk.Path);
        ImageNode image;
        try
        {
            image = await BlockGraph.OpenAsync(Request(disk), default).ConfigureAwait(false);
        }
        catch (ImageException e) when (e.Refusal is DiskOpenException refusal)
        {
            throw refusal;
        }
        catch (ImageException e)
        {
            string format = disk.Format is null ? "" : $" as {disk.Format}";
            throw new DiskOpenException($"Disk \"{disk.Path}\" cannot be opened{format}: {e.Message.TrimEnd('.')}; {Mend(e)}.", e);
        }
        catch (BlockIoException e)
        {
            throw new DiskOpenException($"{e.Message} The storage under it is failing; check it.", e);
        }
        try
        {
            Check(disk, image);
            // A format that this version cannot open must not pass for raw bytes: a guest would take it for garbage, or write over it.
            if (disk.Format is null && image.Format.Name == "raw" && await RecogniseAsync(image).ConfigureAwait(false) is string format)
                throw new DiskOpenException($"Disk \"{disk.Path}\" is a {format} image, which is not supported yet; convert it to raw, or say format=raw if the guest is to see its bytes.");
        }
        catch
        {
            await image.DisposeAsync().ConfigureAwait(false);
            throw;
        }
        return Filtered(disk, image);
    }

    private static BlockOpenRequest Request(DiskConfig disk) => new()
    {
        Filename = disk.Path,
        // What a device does on a completion is to wake its own thread.
        ContinuesInline = true,
        Format = disk.Format,
        ReadOnly = disk.ReadOnly,
        IsTemporary = disk.Temporary,
        References = disk.NoBacking ? ReferencePolicy.NoBacking : ReferencePolicy.Follow,
        Unmap = disk.Discard,
        Cache = disk.Cache switch
        {
            DiskCache.None => CacheMode.None,
            DiskCache.Writethrough => CacheMode.Writethrough,
            DiskCache.DirectSync => CacheMode.DirectSync,
            DiskCache.Unsafe => CacheMode.Unsafe,
            _ => CacheMode.Writeback,
        },
        Aio = disk.Aio switch
        {
            DiskAio.Threads => AioMode.Threads,
            DiskAio.IoUring => AioMode.IoUring,
            _ => AioMode.Auto,
        },
    };

    // The image tool opens these, and finds nothing in them; no guest has a use for them.
    private static void CheckKind(string path)
    {
        switch (DiskFile.FindKind(path))
        {
            case DiskFileKind.Directory:
                throw new DiskOpenException($"Disk \"{path}\" is a directory; name the image file in it.");
            case DiskFileKind.Other:
                throw new DiskOpenException($"Disk \"{path}\" is neither a file nor a block device; name one of these.");
        }
    }

    private static void Check(DiskConfig disk, ImageNode image)
    {
        if (disk.NoBacking && image.BackingReference is ImageReference backing)
            throw new DiskOpenException($"Disk \"{disk.Path}\" has the backing image \"{backing.Name}\", which backing=off refuses; leave that option out to follow it.");
    }

    private static async ValueTask<string?> RecogniseAsync(ImageNode image)
    {
        byte[] head = new byte[ImageMagic.HeaderBytes];
        await image.ReadBytesAsync(0, head.AsMemory(0, (int)Math.Min(head.Length, image.LengthBytes)), default).ConfigureAwait(false);
        return ImageMagic.Recognise(head);
    }

    private static BlockNode Filtered(DiskConfig disk, ImageNode image)
    {
        BlockNode node = image;
        if (disk.Format is null && image.Format.Name == "raw" && !disk.ReadOnly) node = new ProbedRawNode(node);
        if (disk.DetectZeroes != DetectZeroes.Off && !disk.ReadOnly) node = new DetectZeroesNode(node, disk.DetectZeroes == DetectZeroes.Unmap);
        return node;
    }

    private static string Mend(ImageException e) =>
        e.Hint is string hint ? $"{char.ToLowerInvariant(hint[0])}{hint[1..].TrimEnd('.')}" : "name its right format with format=, or examine it with 'hutch img check'";

    private static string Formats()
    {
        string names = "";
        foreach (ImageFormat format in ImageFormats.All) names += names.Length == 0 ? format.Name : $", {format.Name}";
        return names;
    }
}
