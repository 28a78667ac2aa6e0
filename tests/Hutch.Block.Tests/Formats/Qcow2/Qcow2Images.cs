using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Qcow2;
using Hutch.Block.Graph;

namespace Hutch.Block.Tests.Formats.Qcow2;

/// <summary>Makes and opens images for tests.</summary>
internal static class Qcow2Images
{
    /// <summary>A new image in memory, with options written as on the command line: "cluster_size=512,compat=0.10".</summary>
    internal static async Task<MemoryFile> CreateAsync(long lengthBytes, string options = "", IImageFiles? files = null)
    {
        MemoryFile file = new();
        await Qcow2Format.Instance.CreateAsync(file, new ImageCreateRequest { LengthBytes = lengthBytes, Options = Parse(options), Files = files }, CancellationToken.None);
        return file;
    }

    internal static async Task<Qcow2Node> OpenAsync(BlockNode file, bool readOnly = false, IImageReferences? references = null, string options = "", bool forCheck = false, Action<string>? report = null) =>
        (Qcow2Node)await Qcow2Format.Instance.OpenAsync(file, new ImageOpenOptions
        {
            ReadOnly = readOnly,
            References = references,
            Options = Parse(options),
            ForCheck = forCheck,
            Report = report,
        }, CancellationToken.None);

    internal static Dictionary<string, string> Parse(string options)
    {
        Dictionary<string, string> parsed = [];
        foreach (string option in options.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = option.Split('=', 2);
            parsed[parts[0]] = parts[1];
        }
        return parsed;
    }

    /// <summary>
    /// Walks an image's metadata and counts: clusters with fewer references in the refcounts than there are (corruptions), with more (leaks), entries that
    /// say "copied" wrongly. Independent of the code under test except for the header.
    /// </summary>
    internal static (int Corruptions, int Leaks) Examine(byte[] image)
    {
        Qcow2Header header = Qcow2HeaderReader.Parse(image[..Math.Min(image.Length, 1 << BinaryPrimitives.ReadInt32BigEndian(image.AsSpan(20)))], new ImageOpenOptions { ReadOnly = true });
        int cluster = header.ClusterBytes, corruptions = 0, leaks = 0;
        Dictionary<long, ulong> references = [];
        void Refer(long offset, long length)
        {
            for (long at = offset / cluster; at <= (offset + length - 1) / cluster; at++) references[at] = references.GetValueOrDefault(at) + 1;
            if (offset + length - image.Length >= cluster) corruptions++;
        }
        ulong Word(long offset) => offset + 8 <= image.Length ? BinaryPrimitives.ReadUInt64BigEndian(image.AsSpan((int)offset)) : 0;
        List<(long Cluster, bool Copied)> copied = [];
        Refer(0, cluster);
        if (header.L1Entries != 0) Refer(header.L1Offset, header.L1Entries * 8L);
        Refer(header.RefcountTableOffset, (long)header.RefcountTableClusters * cluster);
        int entryBytes = header.Has(Qcow2Features.ExtendedL2) ? 16 : 8, offsetBits = 62 - (header.ClusterBits - 8);
        for (int i = 0; i < header.L1Entries; i++)
        {
            ulong l1 = Word(header.L1Offset + (i * 8L));
            long table = (long)(l1 & Qcow2Limits.L1OffsetMask);
            if (table == 0) continue;
            if (table % cluster != 0) { corruptions++; continue; }
            Refer(table, cluster);
            copied.Add((table / cluster, (l1 & Qcow2Limits.CopiedFlag) != 0));
            for (int j = 0; j < cluster / entryBytes; j++)
            {
                ulong entry = Word(table + (j * (long)entryBytes));
                if ((entry & Qcow2Limits.CompressedFlag) != 0)
                {
                    long at = (long)(entry & ((1UL << offsetBits) - 1)), sectors = (long)((entry & 0x3fff_ffff_ffff_ffff) >> offsetBits) + 1;
                    Refer(at, (sectors * 512) - (at & 511));
                    continue;
                }
                long host = (long)(entry & Qcow2Limits.L2OffsetMask);
                if (host == 0 || header.HasDataFile) continue;
                if (host % cluster != 0) { corruptions++; continue; }
                Refer(host, cluster);
                copied.Add((host / cluster, (entry & Qcow2Limits.CopiedFlag) != 0));
            }
        }
        ReferBitmaps(header, Word, Refer);
        Dictionary<long, ulong> counts = [];
        int perBlock = cluster * 8 >> header.RefcountOrder;
        for (long i = 0; i < (long)header.RefcountTableClusters * cluster / 8; i++)
        {
            long block = (long)Word(header.RefcountTableOffset + (i * 8));
            if (block == 0) continue;
            if (block % cluster != 0) { corruptions++; continue; }
            Refer(block, cluster);
            byte[] data = new byte[cluster];
            if (block < image.Length) image.AsSpan((int)block, (int)Math.Min(cluster, image.Length - block)).CopyTo(data);
            for (int j = 0; j < perBlock; j++)
                if (RefcountWidth.Get(data, j, header.RefcountOrder) is var count and not 0) counts[(i * perBlock) + j] = count;
        }
        foreach ((long at, ulong count) in references)
            if (counts.GetValueOrDefault(at) < count) corruptions++;
        foreach ((long at, ulong count) in counts)
            if (references.GetValueOrDefault(at) < count) leaks++;
        foreach ((long at, bool says) in copied)
            if (says && counts.GetValueOrDefault(at) > 1 && references.GetValueOrDefault(at) > 1) corruptions++;
        return (corruptions, leaks);
    }

    private static void ReferBitmaps(Qcow2Header header, Func<long, ulong> word, Action<long, long> refer)
    {
        if (header.Bitmaps is not { Directory: { } directory } bitmaps) return;
        refer(directory.Offset, directory.LengthBytes);
        long at = directory.Offset;
        for (int i = 0; i < bitmaps.Count; i++)
        {
            long table = (long)word(at), entries = (long)(word(at + 8) >> 32), name = (long)(word(at + 16) >> 32) & 0xffff;
            refer(table, entries * 8);
            for (int j = 0; j < entries; j++)
                if ((long)(word(table + (j * 8L)) & Qcow2Limits.L1OffsetMask) is var bits and not 0) refer(bits, header.ClusterBytes);
            at += (24 + name + 7) & ~7L;
        }
    }
}

/// <summary>Hands a node out as what an image names, once.</summary>
internal sealed class GivenReferences(BlockNode? backing = null, BlockNode? data = null) : IImageReferences
{
    public ValueTask<BlockNode?> OpenAsync(ImageReference reference, BlockNode owner, bool readOnly, CancellationToken cancellation) =>
        new(reference.Kind == ImageReferenceKind.Backing ? backing : data);
}

/// <summary>Hands a node out as the file to make.</summary>
internal sealed class GivenFiles(BlockNode node) : IImageFiles
{
    public ValueTask<BlockNode> CreateAsync(string path, long lengthBytes, Preallocation preallocation, CancellationToken cancellation) => new(node);
}
