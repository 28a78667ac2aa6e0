using System.Collections.Generic;
using Hutch.Block.Formats;
using Hutch.Block.Jobs;

namespace Hutch.Cli.Image;

/// <summary>Copies the persistent dirty bitmaps of an image into another. Throws <see cref="ImageException"/>.</summary>
internal static class BitmapCopy
{
    /// <summary>Looks whether the bitmaps of an image can be copied, before anything is made.</summary>
    internal static void Check(ImageNode source, bool skipsBroken)
    {
        if (source is not IImageBitmaps from) throw new ImageException("Source lacks bitmap support");
        if (!skipsBroken && LastBroken(from.Bitmaps) is string broken)
            throw new ImageException($"Cannot copy inconsistent bitmap '{broken}'", "Try --skip-broken-bitmaps, or use 'qemu-img bitmap --remove' to delete it");
    }

    /// <summary>Copies.</summary>
    internal static void Run(Tool tool, IImageBitmaps from, IImageBitmaps to)
    {
        IReadOnlyList<ImageBitmap> bitmaps = from.Bitmaps;
        for (int i = bitmaps.Count - 1; i >= 0; i--)
            if (bitmaps[i].IsInconsistent) tool.Warn($"Skipping inconsistent bitmap '{bitmaps[i].Name}'");
        foreach (ImageBitmap bitmap in bitmaps)
        {
            if (bitmap.IsInconsistent) continue;
            // Recording begins when the bits are there, so that the merge itself is not recorded.
            Blocking.Wait(to.AddBitmapAsync(bitmap.Name, bitmap.GranularityBytes, false, default));
            Blocking.Wait(to.MergeBitmapAsync(bitmap.Name, from, bitmap.Name, default));
            if (bitmap.IsEnabled) Blocking.Wait(to.EnableBitmapAsync(bitmap.Name, true, default));
        }
        Blocking.Wait(to.StoreBitmapsAsync(default));
    }

    /// <summary>What an image has bitmaps with.</summary>
    internal static IImageBitmaps Of(ImageNode image) => image as IImageBitmaps ?? throw new ImageException($"Format driver '{image.Format.Name}' does not support bitmaps");

    private static string? LastBroken(IReadOnlyList<ImageBitmap> bitmaps)
    {
        for (int i = bitmaps.Count - 1; i >= 0; i--)
            if (bitmaps[i].IsInconsistent) return bitmaps[i].Name;
        return null;
    }
}
