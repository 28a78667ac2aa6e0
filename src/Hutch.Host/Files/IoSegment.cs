using System;
using System.Buffers;
using System.Runtime.InteropServices;

namespace Hutch.Host.Files;

/// <summary>
/// A range of this process's memory for a scatter/gather call; the same layout as struct iovec (readv(2)). It owns nothing: whoever
/// makes one keeps the memory alive and mapped until the call that uses it has ended.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public readonly struct IoSegment
{
    /// <summary>Names a range.</summary>
    public IoSegment(nint address, nint lengthBytes)
    {
        Address = address;
        LengthBytes = lengthBytes;
    }

    /// <summary>Names managed memory that is pinned for as long as the caller keeps <paramref name="pin"/>.</summary>
    // SAFETY: only the address is taken; nothing is read through it here.
    public static unsafe IoSegment Of(MemoryHandle pin, int lengthBytes) => new((nint)pin.Pointer, lengthBytes);

    /// <summary>First byte.</summary>
    public nint Address { get; }

    /// <summary>Length in bytes, not negative.</summary>
    public nint LengthBytes { get; }

    /// <summary>A part of the range.</summary>
    public IoSegment Slice(nint offset, nint lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthBytes, LengthBytes - offset);
        return new IoSegment(Address + offset, lengthBytes);
    }

    /// <summary>Fills the range with zeros.</summary>
    // SAFETY: whoever made the segment keeps its memory mapped; the clear stays inside it.
    public unsafe void Clear() => NativeMemory.Clear((void*)Address, (nuint)LengthBytes);

    /// <summary>Whether all bytes are zero now.</summary>
    public unsafe bool IsZero()
    {
        nint done = 0;
        while (done < LengthBytes)
        {
            int part = (int)Math.Min(LengthBytes - done, int.MaxValue);
            // SAFETY: the part is inside the range, which the caller keeps mapped.
            if (new ReadOnlySpan<byte>((void*)(Address + done), part).ContainsAnyExcept((byte)0)) return false;
            done += part;
        }
        return true;
    }

    /// <summary>Copies as many bytes as both have out of the range. Memory that a guest can change meanwhile is read once.</summary>
    /// <returns>Bytes copied.</returns>
    public unsafe int CopyTo(Span<byte> destination)
    {
        int length = (int)Math.Min(destination.Length, LengthBytes);
        // SAFETY: as in Clear; length is within both.
        new ReadOnlySpan<byte>((void*)Address, length).CopyTo(destination);
        return length;
    }

    /// <summary>Copies as many bytes as both have into the range.</summary>
    /// <returns>Bytes copied.</returns>
    public unsafe int CopyFrom(ReadOnlySpan<byte> source)
    {
        int length = (int)Math.Min(source.Length, LengthBytes);
        // SAFETY: as in Clear; length is within both.
        source[..length].CopyTo(new Span<byte>((void*)Address, length));
        return length;
    }
}
