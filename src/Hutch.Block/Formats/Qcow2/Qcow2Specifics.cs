using System.Collections.Generic;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>What 'info' shows of an image, by the names of QEMU's ImageInfoSpecificQCow2.</summary>
internal static class Qcow2Specifics
{
    /// <summary>Lists it.</summary>
    internal static IReadOnlyList<KeyValuePair<string, object>> Describe(Qcow2Header header)
    {
        List<KeyValuePair<string, object>> list =
        [
            new("compat", header.Version < 3 ? "0.10" : "1.1"),
            new("compression-type", header.Compression == Qcow2Compression.Zlib ? "zlib" : "zstd"),
        ];
        if (header.Version >= 3) list.Add(new("lazy-refcounts", header.IsLazy));
        list.Add(new("refcount-bits", 1L << header.RefcountOrder));
        if (header.Encryption == Qcow2Encryption.Aes) list.Add(new("encrypt", new List<KeyValuePair<string, object>> { new("format", "aes") }));
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
}
