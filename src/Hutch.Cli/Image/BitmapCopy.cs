using System.Collections.Generic;
using Hutch.Block.Formats;
using Hutch.Block.Jobs;

namespace Hutch.Cli.Image;

/// <summary>Copies the persistent dirty bitmaps of an image into another. Throws <see cref="ImageException"/>.</summary>
internal static class BitmapCopy
{
    /// <summary>Copies.</summary>
    internal static void Run(Tool tool, ImageNode source, ImageNode target, bool skipsBroken)
    {
        if (source is not IImageBitmaps from) throw new ImageException($"Format driver '{source.Format.Name}' does not support bitmaps");
        if (target is not IImageBitmaps to) throw new ImageException($"Format driver '{target.Format.Name}' does not support bitmaps");
        List<ImageBitmap> bitmaps = [.. from.Bitmaps];
        foreach (ImageBitmap bitmap in bitmaps)
        {
            if (!bitmap.IsInconsistent || skipsBroken) continue;
            throw new ImageException($"Cannot copy inconsistent bitmap '{bitmap.Name}'", "Try --skip-broken-bitmaps, or use 'qemu-img bitmap --remove'");
        }
        foreach (ImageBitmap bitmap in bitmaps)
        {
            if (bitmap.IsInconsistent)
            {
                tool.Warn($"Skipping inconsistent bitmap '{bitmap.Name}'");
                continue;
            }
            // Recording begins when the bits are there, so that the merge itself is not recorded.
            Blocking.Wait(to.AddBitmapAsync(bitmap.Name, bitmap.GranularityBytes, false, default));
            Blocking.Wait(to.MergeBitmapAsync(bitmap.Name, from, bitmap.Name, default));
            if (bitmap.IsEnabled) Blocking.Wait(to.EnableBitmapAsync(bitmap.Name, true, default));
        }
    }
}
