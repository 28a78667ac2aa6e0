using System;
using System.Collections.Generic;
using Hutch.Block.Options;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Run-time options of an open image, by QEMU's names.</summary>
internal sealed record Qcow2OpenSettings
{
    private const long MaxDefaultL2CacheBytes = 32 << 20, DefaultRefcountCacheBytes = 4 << 20;

    /// <summary>Nothing is written.</summary>
    internal bool ReadOnly { get; init; }

    /// <summary>lazy-refcounts; null leaves it to the image.</summary>
    internal bool? LazyRefcounts { get; init; }

    /// <summary>l2-cache-size in bytes; null for the default: all of the image's L2 tables, up to 32 MiB.</summary>
    internal long? L2CacheBytes { get; init; }

    /// <summary>refcount-cache-size in bytes; null for the default.</summary>
    internal long? RefcountCacheBytes { get; init; }

    /// <summary>pass-discard-request: what the guest discards goes back to the storage.</summary>
    internal bool PassDiscardRequest { get; init; } = true;

    /// <summary>pass-discard-snapshot.</summary>
    internal bool PassDiscardSnapshot { get; init; } = true;

    /// <summary>pass-discard-other.</summary>
    internal bool PassDiscardOther { get; init; }

    /// <summary>overlap-check: metadata that no write for something else may hit.</summary>
    internal OverlapKinds Overlaps { get; init; } = OverlapKinds.Cached;

    /// <summary>Takes messages for the operator.</summary>
    internal Action<string>? Report { get; init; }

    /// <summary>
    /// Reads the options. Throws <see cref="ImageException"/> for a bad value. l2-cache-entry-size and cache-clean-interval are only looked at: slices have one
    /// size here, and what is cached stays until something else needs its place.
    /// </summary>
    internal static Qcow2OpenSettings Parse(ImageOpenOptions options, Qcow2Header header)
    {
        IReadOnlyDictionary<string, string> given = options.Options;
        long? l2 = Size(given, "l2-cache-size"), refcount = Size(given, "refcount-cache-size");
        if (Size(given, "cache-size") is { } both)
        {
            if (l2 is not null && refcount is not null) throw new ImageException("cache-size, l2-cache-size and refcount-cache-size may not be set at the same time");
            if (l2 > both) throw new ImageException("l2-cache-size may not exceed cache-size");
            if (refcount > both) throw new ImageException("refcount-cache-size may not exceed cache-size");
            l2 ??= refcount is null ? both * 4 / 5 : both - refcount;
            refcount ??= both - l2;
        }
        CheckCaches(given, header, l2, refcount);
        return new Qcow2OpenSettings
        {
            ReadOnly = options.ReadOnly,
            LazyRefcounts = Switch(given, "lazy-refcounts"),
            L2CacheBytes = l2,
            RefcountCacheBytes = refcount,
            PassDiscardRequest = Switch(given, "pass-discard-request") ?? true,
            PassDiscardSnapshot = Switch(given, "pass-discard-snapshot") ?? true,
            PassDiscardOther = Switch(given, "pass-discard-other") ?? false,
            Overlaps = OverlapKinds.Parse(given),
            Report = options.Report,
        };
    }

    /// <summary>Slices of L2 tables that are cached, of a disk that has as many; how many may be dirty follows from it, too.</summary>
    internal int L2CacheSlices(Qcow2Geometry geometry)
    {
        // A table that is copied is in memory as a whole.
        long least = Math.Max(4, 2L << geometry.SlicesPerTableBits);
        return (int)Math.Clamp((L2CacheBytes ?? MaxDefaultL2CacheBytes) / geometry.SliceBytes, least, int.MaxValue / 2);
    }

    /// <summary>Slices of refcount blocks that are cached.</summary>
    internal int RefcountCacheSlices(Qcow2Geometry geometry) =>
        (int)Math.Clamp((RefcountCacheBytes ?? DefaultRefcountCacheBytes) / geometry.SliceBytes, 16, int.MaxValue / 2);

    /// <summary>Whether clusters that were freed for this reason go back to the storage.</summary>
    internal bool PassesDiscard(FreeReason reason) => reason switch
    {
        FreeReason.Discard => PassDiscardRequest,
        FreeReason.Snapshot => PassDiscardSnapshot,
        _ => PassDiscardOther,
    };

    /// <summary>
    /// Options of an image that is opened again: what is new counts, and what was said before goes where it would contradict.
    /// </summary>
    internal static Dictionary<string, string> Join(IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string> now)
    {
        Dictionary<string, string> all = new(before, StringComparer.Ordinal);
        if (now.ContainsKey("overlap-check") || now.ContainsKey("overlap-check.template"))
        {
            foreach (string name in before.Keys)
                if (name.StartsWith("overlap-check", StringComparison.Ordinal)) all.Remove(name);
        }
        if (now.ContainsKey(CacheSizes[0]))
        {
            foreach (string name in CacheSizes) all.Remove(name);
        }
        foreach ((string name, string value) in now) all[name] = value;
        // The sum follows from its parts.
        if (Array.TrueForAll(CacheSizes, all.ContainsKey) && !now.ContainsKey(CacheSizes[0])) all.Remove(CacheSizes[0]);
        return all;
    }

    private static readonly string[] CacheSizes = ["cache-size", "l2-cache-size", "refcount-cache-size"];

    private static void CheckCaches(IReadOnlyDictionary<string, string> options, Qcow2Header header, long? l2, long? refcount)
    {
        const long DefaultEntryBytes = 64 * 1024;
        long entry = Size(options, "l2-cache-entry-size") ?? Math.Min(header.ClusterBytes, DefaultEntryBytes);
        if (entry < 512 || entry > header.ClusterBytes || !long.IsPow2(entry))
            throw new ImageException($"L2 cache entry size must be a power of two between 512 and the cluster size ({header.ClusterBytes})");
        long all = Qcow2Geometry.L1EntriesFor(header, header.LengthBytes) << header.ClusterBits;
        if (l2 is { } l2Bytes && Math.Min(all, l2Bytes) / entry > int.MaxValue) throw new ImageException("L2 cache size too big");
        if (refcount is { } refcountBytes && refcountBytes >> header.ClusterBits > int.MaxValue) throw new ImageException("Refcount cache size too big");
        if (options.TryGetValue("cache-clean-interval", out string? interval) && Options.OptionText.ReadNumber("cache-clean-interval", interval) > uint.MaxValue)
            throw new ImageException("Cache clean interval too big");
    }

    private static bool? Switch(IReadOnlyDictionary<string, string> options, string name) => options.GetValueOrDefault(name) switch
    {
        null => null,
        "on" or "true" => true,
        "off" or "false" => false,
        _ => throw new ImageException($"Parameter '{name}' expects 'on' or 'off'"),
    };

    private static long? Size(IReadOnlyDictionary<string, string> options, string name)
    {
        if (!options.TryGetValue(name, out string? text)) return null;
        return SizeText.Parse(text, out ulong bytes) == SizeError.None && bytes <= long.MaxValue ? (long)bytes : throw new ImageException($"Parameter '{name}' expects a non-negative number below 2^64");
    }
}
