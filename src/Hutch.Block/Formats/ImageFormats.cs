using System;
using System.Collections.Generic;
using Hutch.Block.Formats.Bochs;
using Hutch.Block.Formats.Luks;
using Hutch.Block.Formats.Parallels;
using Hutch.Block.Formats.Qcow;
using Hutch.Block.Formats.Qcow2;
using Hutch.Block.Formats.Qed;
using Hutch.Block.Formats.Raw;
using Hutch.Block.Formats.Vdi;
using Hutch.Block.Formats.Vhdx;
using Hutch.Block.Formats.Vmdk;
using Hutch.Block.Formats.Vpc;

namespace Hutch.Block.Formats;

/// <summary>The formats there are. A new one adds its line here.</summary>
public static class ImageFormats
{
    /// <summary>How many bytes of a file's head <see cref="Probe"/> wants.</summary>
    public const int ProbeBytes = 2048;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ImageFormat> All { get; } =
    [
        RawFormat.Instance,
        Qcow2Format.Instance,
        BochsFormat.Instance,
        LuksFormat.Instance,
        VdiFormat.Instance,
        VpcFormat.Instance,
        VhdxFormat.Instance,
        VmdkFormat.Instance,
        ParallelsFormat.Instance,
        QedFormat.Instance,
        QcowFormat.Instance,
    ];

    /// <summary>The format of this name; null where there is none.</summary>
    public static ImageFormat? Find(string name)
    {
        foreach (ImageFormat format in All)
            if (format.Name == name) return format;
        return null;
    }

    /// <summary>The format that is surest of a file that begins with <paramref name="head"/>; raw where none is.</summary>
    public static ImageFormat Probe(ReadOnlySpan<byte> head, string fileName)
    {
        ImageFormat best = RawFormat.Instance;
        int surest = 0;
        foreach (ImageFormat format in All)
        {
            int sure = format.Probe(head, fileName);
            if (sure <= surest) continue;
            (best, surest) = (format, sure);
        }
        return best;
    }
}
