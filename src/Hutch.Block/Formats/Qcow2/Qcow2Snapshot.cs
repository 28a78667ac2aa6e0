using System.Collections.Immutable;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>An entry of the snapshot table (qcow2 §"Snapshots").</summary>
/// <param name="Info">What is shown of it.</param>
/// <param name="L1Offset">Where its L1 table lies.</param>
/// <param name="L1Entries">Entries of that table.</param>
internal sealed record Qcow2Snapshot(ImageSnapshot Info, long L1Offset, int L1Entries)
{
    /// <summary>Length of the extra data that is understood, in bytes: length of the machine's state, the disk's length, instruction count.</summary>
    internal const int KnownExtraBytes = 24;

    /// <summary>Extra data that version 3 demands, in bytes.</summary>
    internal const int RequiredExtraBytes = 16;

    /// <summary>Extra data as it was found, in bytes; new entries have all that is understood.</summary>
    public int ExtraBytes { get; init; } = KnownExtraBytes;

    /// <summary>Extra data behind what is understood; it is kept.</summary>
    public ImmutableArray<byte> UnknownExtra { get; init; } = [];
}
