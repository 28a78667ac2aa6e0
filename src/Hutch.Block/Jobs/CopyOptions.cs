using System;

namespace Hutch.Block.Jobs;

/// <summary>How <see cref="CopyJob"/> copies.</summary>
public sealed record CopyOptions
{
    /// <summary>Runs of zeros of at least this length are not written as data; 0 writes everything, also what the source does not have.</summary>
    public int SparseBytes { get; init; } = 4096;

    /// <summary>Data is stored compressed.</summary>
    public bool Compress { get; init; }

    /// <summary>The target reads as zeros now.</summary>
    public bool TargetIsZero { get; init; }

    /// <summary>The target shows an image below it, of this length in bytes: what the source does not have either is not written. Null: there is none.</summary>
    public long? TargetBackingBytes { get; init; }

    /// <summary>Threads that copy.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>Writes are made in the disk's order, so that equal sources make equal images.</summary>
    public bool InOrder { get; init; } = true;

    /// <summary>What cannot be read becomes zeros.</summary>
    public bool Salvage { get; init; }

    /// <summary>Most bytes a second; 0 as many as possible.</summary>
    public long BytesPerSecond { get; init; }

    /// <summary>Where the rate's time comes from.</summary>
    internal TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Extents are looked up once before, so that progress counts data alone; otherwise it is the place in the disk.</summary>
    public bool CountsData { get; init; } = true;

    /// <summary>Hears how much is done, 0 to 1; any thread, one at a time.</summary>
    public Action<double>? Progress { get; init; }

    /// <summary>Hears of what could not be read, where <see cref="Salvage"/> goes on.</summary>
    public Action<string>? Warn { get; init; }
}
