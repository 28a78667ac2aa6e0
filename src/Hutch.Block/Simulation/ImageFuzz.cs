using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Simulation;

/// <summary>
/// Opens bytes as images and uses them, for fuzzing: whatever the bytes are, an image is refused with <see cref="ImageException"/>, a request fails with
/// <see cref="BlockIoException"/>, or it works. Anything else is a defect. Nothing outside the bytes is opened, and no passphrase is tried.
/// </summary>
internal static class ImageFuzz
{
    private const int ReadBytes = 64 * 1024, MaxExtents = 2000, MaxCheckedBytes = 64 << 20, MaxBitmaps = 8;

    /// <summary>Runs LUKS volumes: their header alone.</summary>
    internal static void Luks(ReadOnlySpan<byte> bytes) => Run("luks", bytes);

    /// <summary>Runs VDI images.</summary>
    internal static void Vdi(ReadOnlySpan<byte> bytes) => Run("vdi", bytes);

    /// <summary>Runs VHD images.</summary>
    internal static void Vpc(ReadOnlySpan<byte> bytes) => Run("vpc", bytes);

    /// <summary>Runs VHDX images.</summary>
    internal static void Vhdx(ReadOnlySpan<byte> bytes) => Run("vhdx", bytes);

    /// <summary>Runs VMDK images.</summary>
    internal static void Vmdk(ReadOnlySpan<byte> bytes) => Run("vmdk", bytes);

    /// <summary>Runs qcow2 images.</summary>
    internal static void Qcow2(ReadOnlySpan<byte> bytes) => Run("qcow2", bytes);

    /// <summary>Runs images of a format, read-only and for writing. Throws for a defect only.</summary>
    internal static void Run(string format, ReadOnlySpan<byte> bytes) => Run(format, MemoryNode.Of(bytes));

    /// <summary>The same with an image that is in memory already; it is written to.</summary>
    internal static void Run(string format, MemoryNode content)
    {
        ImageFormat found = ImageFormats.Find(format) ?? throw new ArgumentException($"There is no format {format}.", nameof(format));
        byte[] head = new byte[Math.Min(content.LengthBytes, ImageFormats.ProbeBytes)];
        content.Read(0, head);
        _ = found.Probe(head, "fuzz");
        // Storage in memory completes at once.
        UseAsync(found, content.Copy(), readOnly: true).AsTask().GetAwaiter().GetResult();
        UseAsync(found, content, readOnly: false).AsTask().GetAwaiter().GetResult();
    }

    private static async ValueTask UseAsync(ImageFormat format, MemoryNode content, bool readOnly)
    {
        try
        {
            ImageOpenOptions options = new() { ReadOnly = readOnly, NoData = format.Name == "luks" };
            ImageNode node = await format.OpenAsync(content, options, CancellationToken.None).ConfigureAwait(false);
            await using (node.ConfigureAwait(false))
            {
                _ = node.DescribeSpecifics();
                await ReadAsync(node).ConfigureAwait(false);
                if (!readOnly) await WriteAsync(node).ConfigureAwait(false);
                if (node is IImageBitmaps bitmaps) await UseBitmapsAsync(bitmaps, node.LengthBytes, readOnly).ConfigureAwait(false);
                if (node is IImageCheck check && content.LengthBytes <= MaxCheckedBytes) _ = await check.CheckAsync(ImageRepair.None, static _ => { }, CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (Exception refused) when (refused is ImageException or BlockIoException)
        {
            // What untrusted bytes may lead to.
        }
    }

    private static async ValueTask ReadAsync(ImageNode node)
    {
        long length = node.LengthBytes & -4096, at = 0;
        for (int extents = 0; at < length && extents < MaxExtents; extents++)
        {
            BlockExtent extent = await node.GetExtentAsync(at, length - at, CancellationToken.None).ConfigureAwait(false);
            at += extent.LengthBytes;
        }
        using NativeBuffer buffer = new(ReadBytes);
        int part = (int)Math.Min(length, ReadBytes);
        IoVector vector = new(new[] { buffer.Segment(0, part) });
        await node.ReadAsync(0, vector, CancellationToken.None).ConfigureAwait(false);
        await node.ReadAsync(length - part, vector, CancellationToken.None).ConfigureAwait(false);
    }

    private static async ValueTask WriteAsync(ImageNode node)
    {
        long length = node.LengthBytes & -4096;
        if (length == 0 || node.Limits.IsReadOnly) return;
        using NativeBuffer buffer = new(4096);
        IoVector vector = new(new[] { buffer.Segment(0, 4096) });
        await node.WriteAsync(0, vector, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
        await node.WriteAsync(length - 4096, vector, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
        await node.WriteZeroesAsync(0, Math.Min(length, ReadBytes), WriteFlags.MayUnmap, CancellationToken.None).ConfigureAwait(false);
        await node.FlushAsync(CancellationToken.None).ConfigureAwait(false);
    }

    private static async ValueTask UseBitmapsAsync(IImageBitmaps image, long lengthBytes, bool readOnly)
    {
        IReadOnlyList<ImageBitmap> bitmaps = image.Bitmaps;
        for (int i = 0; i < Math.Min(bitmaps.Count, MaxBitmaps); i++)
        {
            string name = bitmaps[i].Name;
            try
            {
                long at = 0;
                for (int runs = 0; at < lengthBytes && runs < MaxExtents; runs++) at += (await image.GetDirtyExtentAsync(name, at, CancellationToken.None).ConfigureAwait(false)).LengthBytes;
                if (readOnly) continue;
                await image.EnableBitmapAsync(name, !bitmaps[i].IsEnabled, CancellationToken.None).ConfigureAwait(false);
                if (i % 2 == 0) await image.ClearBitmapAsync(name, CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception refused) when (refused is ImageException or BlockIoException)
            {
                if (!readOnly) await image.RemoveBitmapAsync(name, CancellationToken.None).ConfigureAwait(false);
            }
        }
        if (readOnly) return;
        await image.AddBitmapAsync("fuzz", 0, true, CancellationToken.None).ConfigureAwait(false);
        await image.StoreBitmapsAsync(CancellationToken.None).ConfigureAwait(false);
    }
}
