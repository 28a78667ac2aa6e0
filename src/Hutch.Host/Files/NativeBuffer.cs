using System;
using System.Runtime.InteropServices;

namespace Hutch.Host.Files;

/// <summary>Memory outside the managed heap, page aligned, for what is not the guest's: bounce buffers, zeros, pictures. Owns what it allocates.</summary>
public sealed unsafe class NativeBuffer : SafeHandle
{
    /// <summary>Allocates zeroed memory. Throws <see cref="OutOfMemoryException"/>.</summary>
    /// <param name="lengthBytes">Length in bytes, at least 1.</param>
    public NativeBuffer(int lengthBytes) : base(0, ownsHandle: true)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        LengthBytes = lengthBytes;
        // SAFETY: freshly allocated with this length; freed once, in ReleaseHandle.
        void* start = NativeMemory.AlignedAlloc((nuint)lengthBytes, 4096);
        NativeMemory.Clear(start, (nuint)lengthBytes);
        SetHandle((nint)start);
    }

    /// <summary>Length in bytes.</summary>
    public int LengthBytes { get; }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>The memory. Not after disposal.</summary>
    public Span<byte> Span
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            // SAFETY: the allocation has LengthBytes bytes and lives while the handle is open.
            return new Span<byte>((void*)handle, LengthBytes);
        }
    }

    /// <summary>A part of the memory, for a scatter/gather call.</summary>
    public IoSegment Segment(int offset, int lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthBytes, LengthBytes - offset);
        return new IoSegment(handle + offset, lengthBytes);
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree((void*)handle);
        return true;
    }
}
