namespace Hutch.Host.Files;

/// <summary>What direct transfers (O_DIRECT) must be multiples of; 1 where nothing is asked.</summary>
/// <param name="MemoryBytes">Alignment of memory, in bytes.</param>
/// <param name="OffsetBytes">Alignment of offsets and lengths, in bytes.</param>
public readonly record struct DirectAlignment(int MemoryBytes, int OffsetBytes);
