using System;
using Hutch.Block.Files;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Raw;
using Hutch.Block.Graph;
using Hutch.Host.Files;
using Hutch.Model.Machine;

namespace Hutch.Block;

/// <summary>Turns a disk's configuration into its block graph.</summary>
public static class DiskOpener
{
    /// <summary>Opens and locks the image. Throws <see cref="DiskOpenException"/> with one sentence for the user. The caller owns the node.</summary>
    public static BlockNode Open(DiskConfig disk)
    {
        ArgumentNullException.ThrowIfNull(disk);
        if (disk.Format is not (null or "raw"))
            throw new DiskOpenException($"Disk \"{disk.Path}\" asks for format \"{disk.Format}\", which is not supported; the formats are: raw.");
        FileNode file = FileNode.Open(disk.Path, disk.ReadOnly);
        try
        {
            // Without a word from the user a recognisable image is not shown as raw bytes: a guest would take it for garbage, or write over it.
            if (disk.Format is null && Recognise(file) is string format)
                throw new DiskOpenException($"Disk \"{disk.Path}\" is a {format} image, which is not supported yet; "
                    + "convert it to raw, or say format=raw if the guest is to see its bytes.");
            return new RawNode(file);
        }
        catch
        {
            // Closing a file node completes at once.
            file.DisposeAsync().AsTask().Wait();
            throw;
        }
    }

    private static string? Recognise(FileNode file)
    {
        using NativeBuffer header = new(ImageMagic.HeaderBytes);
        try
        {
            file.ReadAsync(0, new IoVector(new[] { header.Segment(0, ImageMagic.HeaderBytes) }), default).AsTask().Wait();
        }
        catch (BlockIoException e)
        {
            throw new DiskOpenException($"{e.Message} The storage under it is failing; check it.", e);
        }
        return ImageMagic.Recognise(header.Span);
    }
}
