using System;
using Hutch.Host.Files;

namespace Hutch.Block.Graph;

/// <summary>The memory side of one request: ranges that the caller keeps alive, mapped and in place until the request completed.</summary>
public readonly struct IoVector
{
    private readonly ReadOnlyMemory<IoSegment> _segments;

    /// <summary>Makes a vector over the caller's list of ranges, which must not change until the request completed.</summary>
    public IoVector(ReadOnlyMemory<IoSegment> segments)
    {
        _segments = segments;
        long length = 0;
        foreach (IoSegment segment in segments.Span) length += segment.LengthBytes;
        LengthBytes = length;
    }

    /// <summary>Sum of the ranges' lengths in bytes.</summary>
    public long LengthBytes { get; }

    /// <summary>The ranges, in the order of the disk's bytes.</summary>
    public ReadOnlySpan<IoSegment> Segments => _segments.Span;
}
