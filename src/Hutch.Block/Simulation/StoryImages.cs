using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;

namespace Hutch.Block.Simulation;

/// <summary>Images that stories are told of, by the format's name and its options: <c>qcow2 cluster_size=512,refcount_bits=64</c>.</summary>
internal static class StoryImages
{
    private const int LengthBytes = 1 << 18, BackingTag = 7;

    /// <summary>All kinds, so that each way to lay out metadata is among them.</summary>
    internal static IReadOnlyList<string> Kinds { get; } =
    [
        "qcow2 cluster_size=512", "qcow2 cluster_size=512,refcount_bits=64", "qcow2 cluster_size=4k", "qcow2 cluster_size=16k,extended_l2=on",
        "qcow2 cluster_size=1k,compat=0.10", "qcow2 cluster_size=1k,backing_file=b,backing_fmt=raw", "qcow2 cluster_size=2k,lazy_refcounts=on",
        "qcow2 cluster_size=4k,compression_type=zstd,refcount_bits=8", "qcow2 cluster_size=64k", "qcow2 cluster_size=64k,extended_l2=on,backing_file=b,backing_fmt=raw",
        "vdi", "vpc force_size=on", "vhdx block_size=1M", "vmdk zeroed_grain=on",
    ];

    /// <summary>Makes an image of a kind.</summary>
    internal static async Task<StoryImage> MakeAsync(string kind)
    {
        ImageFormat format = ImageFormats.Find(FormatOf(kind)) ?? throw new ArgumentException($"There is no format {kind}.", nameof(kind));
        Dictionary<string, string> options = OptionsOf(kind);
        int[] tags = new int[LengthBytes / SectorTags.SectorBytes];
        if (options.ContainsKey("backing_file")) Array.Fill(tags, BackingTag);
        References references = new(SectorTags.ToBytes(tags));
        MemoryNode file = new(0);
        await format.CreateAsync(file, new ImageCreateRequest { LengthBytes = LengthBytes, Options = options, References = references }, CancellationToken.None).ConfigureAwait(false);
        // Version 2 has no mark for a snapshot that is half made, and qemu-img check calls copied flags that are too careful corruptions.
        bool isOrdered = format.Name == "qcow2", hasSnapshots = !kind.Contains("compat=0.10", StringComparison.Ordinal);
        return new StoryImage(file, tags, hasSnapshots, isOrdered, async node => await format.OpenAsync(node, new ImageOpenOptions { ReadOnly = false, References = references }, CancellationToken.None).ConfigureAwait(false));
    }

    /// <summary>The format's name.</summary>
    internal static string FormatOf(string kind) => kind.Split(' ')[0];

    /// <summary>The options of creation.</summary>
    internal static Dictionary<string, string> OptionsOf(string kind) =>
        kind.Split(' ').Skip(1).SelectMany(static all => all.Split(',')).Select(static option => option.Split('=')).ToDictionary(static option => option[0], static option => option[1]);

    private sealed class References(byte[] backing) : IImageReferences
    {
        public ValueTask<BlockNode?> OpenAsync(ImageReference reference, BlockNode owner, bool readOnly, CancellationToken cancellation)
        {
            MemoryNode node = new(0);
            node.Write(0, backing);
            return new(node);
        }
    }
}
