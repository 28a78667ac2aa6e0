using System.Collections.Generic;
using Hutch.Block.Formats;
using Hutch.Block.Graph;

namespace Hutch.Cli.Image;

/// <summary>What the options of 'convert' ask for.</summary>
internal sealed class ConvertRequest
{
    internal string? TargetFormat { get; private set; }

    internal string? Backing { get; private set; }

    internal string? BackingFormat { get; private set; }

    internal string? List { get; private set; }

    internal string? Snapshot { get; private set; }

    internal int SparseBytes { get; private set; } = 4096;

    internal bool Compresses { get; private set; }

    internal bool Offloads { get; private set; }

    internal bool SkipsCreation { get; private set; }

    internal bool IsUnordered { get; private set; }

    internal bool Salvages { get; private set; }

    internal bool TargetIsZero { get; private set; }

    internal bool TargetImageOptions { get; private set; }

    internal bool CopiesBitmaps { get; private set; }

    internal bool SkipsBrokenBitmaps { get; private set; }

    internal bool IsNotSynced { get; private set; }

    internal bool ShowsProgress { get; set; }

    internal int? Coroutines { get; private set; }

    internal long BytesPerSecond { get; private set; }

    /// <summary>How the target is cached; null where it is not said.</summary>
    internal CacheMode? Cache { get; private set; }

    internal CacheMode SourceCache { get; private set; } = CacheMode.Writeback;

    /// <summary>Reads an option; false for one that is not of this command alone. Throws <see cref="UsageException"/>.</summary>
    internal bool Take(Tool tool, ImageArguments common, string option, string value)
    {
        switch (option)
        {
            case "O": TargetFormat = value; break;
            case "B": Backing = value; break;
            case "F": BackingFormat = value; break;
            case "C": Offloads = true; break;
            case "c": Compresses = true; break;
            case "o": List = ImageArguments.Join(List, value); break;
            case "l": Snapshot = SnapshotName.Of(value); break;
            case "S": SparseBytes = SparseOf(common, value); break;
            case "p": ShowsProgress = true; break;
            case "t": Cache = ImageArguments.CacheOf(value); break;
            case "T": SourceCache = ImageArguments.CacheOf(value, "source cache"); break;
            case "n": SkipsCreation = true; break;
            case "m": Coroutines = CoroutinesOf(value); break;
            case "W": IsUnordered = true; break;
            case "r": BytesPerSecond = common.Size("rate limit", value); break;
            case "salvage": Salvages = true; break;
            case "target-is-zero": TargetIsZero = true; break;
            case "target-image-opts": TargetImageOptions = true; break;
            case "bitmaps": CopiesBitmaps = true; break;
            case "skip-broken-bitmaps": SkipsBrokenBitmaps = true; break;
            case "no-sync": IsNotSynced = true; break;
            default: return false;
        }
        return true;
    }

    /// <summary>Looks whether the options go together. Throws <see cref="UsageException"/>.</summary>
    internal void Check(Tool tool, IReadOnlyList<string> operands)
    {
        if (TargetImageOptions && !SkipsCreation) throw new UsageException("--target-image-opts requires use of -n flag");
        if (TargetIsZero && !SkipsCreation) throw new UsageException("--target-is-zero requires use of -n flag");
        if (SkipsBrokenBitmaps && !CopiesBitmaps) throw new UsageException("Use of --skip-broken-bitmaps requires --bitmaps");
        if (operands.Count < 2) throw new UsageException("Must specify image file name");
        if (SkipsCreation && List is not null) throw new UsageException("-o has no effect when skipping image creation");
        if (Offloads && Compresses) throw new UsageException("Cannot enable copy offloading when -c is used");
        if (Offloads && SparseBytes != 4096) throw new UsageException("Cannot enable copy offloading when -S is used");
        if (operands.Count > 2 && Backing is not null) throw new UsageException("Having a backing file for the target makes no sense when concatenating multiple input images");
        if (operands.Count > 2 && CopiesBitmaps) throw new UsageException("Copying bitmaps only possible with single source");
        if (TargetFormat is null && !TargetImageOptions) TargetFormat = "raw";
        if (TargetFormat is not null && ImageFormats.Find(TargetFormat) is null && !SkipsCreation) throw new UsageException($"Unknown file format '{TargetFormat}'");
    }

    private static int SparseOf(ImageArguments common, string value)
    {
        long bytes = common.Size("buffer size for sparse output", value, 0, int.MaxValue);
        const int Most = 8 << 20;
        if (bytes % 512 != 0 || bytes > Most)
            throw new UsageException($"Invalid buffer size for sparse output specified. Valid sizes are multiples of 512 up to {Most}. Select 0 to disable sparse detection (fully allocates output).");
        return (int)bytes;
    }

    private static int CoroutinesOf(string value)
    {
        if (int.TryParse(value, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int count) && count >= 1 && count <= ConvertVerb.MostCoroutines) return count;
        throw new UsageException($"Invalid number of coroutines. Allowed number of coroutines is between 1 and {ConvertVerb.MostCoroutines}");
    }
}
