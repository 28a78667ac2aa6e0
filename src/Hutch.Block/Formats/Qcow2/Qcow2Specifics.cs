using System.Collections.Generic;
using System.Collections.Immutable;
using Hutch.Block.Formats.Luks;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>What 'info' shows of an image, by the names of QEMU's ImageInfoSpecificQCow2.</summary>
internal static class Qcow2Specifics
{
    /// <summary>Lists it.</summary>
    internal static IReadOnlyList<KeyValuePair<string, object>> Describe(Qcow2Header header, ImmutableArray<Qcow2Bitmap> bitmaps, LuksVolume? luks)
    {
        List<KeyValuePair<string, object>> list =
        [
            new("compat", header.Version < 3 ? "0.10" : "1.1"),
            new("compression-type", header.Compression == Qcow2Compression.Zlib ? "zlib" : "zstd"),
        ];
        if (header.Version >= 3) list.Add(new("lazy-refcounts", header.IsLazy));
        if (bitmaps.Length != 0) list.Add(new("bitmaps", Describe(bitmaps)));
        list.Add(new("refcount-bits", 1L << header.RefcountOrder));
        if (header.Encryption == Qcow2Encryption.Aes) list.Add(new("encrypt", new List<KeyValuePair<string, object>> { new("format", "aes") }));
        else if (luks is not null) list.Add(new("encrypt", luks.Describe(withFormat: true)));
        if (header.Version < 3) return list;
        if (header.HasDataFile)
        {
            if (header.DataFileName is { } name) list.Add(new("data-file", name));
            list.Add(new("data-file-raw", header.IsDataFileRaw));
        }
        list.Add(new("corrupt", header.Has(Qcow2Features.Corrupt)));
        list.Add(new("extended-l2", header.Has(Qcow2Features.ExtendedL2)));
        return list;
    }

    private static List<object> Describe(ImmutableArray<Qcow2Bitmap> bitmaps)
    {
        List<object> list = [];
        foreach (Qcow2Bitmap bitmap in bitmaps)
        {
            List<object> flags = [];
            if (bitmap.IsInconsistent) flags.Add("in-use");
            if (bitmap.IsEnabled) flags.Add("auto");
            list.Add(new List<KeyValuePair<string, object>> { new("flags", flags), new("name", bitmap.Name), new("granularity", 1L << bitmap.GranularityBits) });
        }
        return list;
    }
}
