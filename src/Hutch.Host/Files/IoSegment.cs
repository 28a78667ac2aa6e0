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
}
