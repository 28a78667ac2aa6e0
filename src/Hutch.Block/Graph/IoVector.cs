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

    /// <summary>A part of the vector. Takes a list's memory unless the part is all of it or a run of whole ranges.</summary>
    public IoVector Slice(long offset, long lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthBytes, LengthBytes - offset);
        if (lengthBytes == LengthBytes) return this;
        if (lengthBytes == 0) return default;
        ReadOnlySpan<IoSegment> segments = _segments.Span;
        int first = 0;
        while (offset >= segments[first].LengthBytes) offset -= segments[first++].LengthBytes;
        long end = offset + lengthBytes;
        int last = first;
        while (end > segments[last].LengthBytes) end -= segments[last++].LengthBytes;
        if (offset == 0 && end == segments[last].LengthBytes) return new IoVector(_segments[first..(last + 1)]);
        IoSegment[] part = segments[first..(last + 1)].ToArray();
        part[^1] = part[^1].Slice(0, (nint)end);
        part[0] = part[0].Slice((nint)offset, part[0].LengthBytes - (nint)offset);
        return new IoVector(part);
    }

    /// <summary>Fills the memory with zeros.</summary>
    public void Clear()
    {
        foreach (IoSegment segment in Segments) segment.Clear();
    }

    /// <summary>Whether the memory holds nothing but zeros now.</summary>
    public bool IsZero()
    {
        foreach (IoSegment segment in Segments)
            if (!segment.IsZero()) return false;
        return true;
    }

    /// <summary>Copies the memory out, as much as <paramref name="destination"/> takes.</summary>
    public void CopyTo(Span<byte> destination)
    {
        foreach (IoSegment segment in Segments) destination = destination[segment.CopyTo(destination)..];
    }

    /// <summary>Copies <paramref name="source"/> to the memory's beginning.</summary>
    public void CopyFrom(ReadOnlySpan<byte> source)
    {
        foreach (IoSegment segment in Segments) source = source[segment.CopyFrom(source)..];
    }
}
