using System;
using Hutch.Host.Memory;

namespace Hutch.Core.Memory;

/// <summary>
/// A range of guest RAM that was bounds-checked once, for bulk transfers. The guest and other threads may change the bytes
/// at any time: never look twice at the same byte and draw a conclusion. Valid while its <see cref="GuestMemory"/> lives.
/// </summary>
public readonly unsafe struct GuestBuffer
{
    private readonly GuestMemory _memory;
    private readonly byte* _start;

    internal GuestBuffer(GuestMemory memory, ulong address, byte* start, int length)
    {
        _memory = memory;
        Address = address;
        _start = start;
        Length = length;
    }

    /// <summary>Guest physical address of the first byte.</summary>
    public ulong Address { get; }

    /// <summary>Length in bytes.</summary>
    public int Length { get; }

    /// <summary>Copies <paramref name="source"/> into the buffer at <paramref name="offset"/>. Throws if it does not fit: our bug, not the guest's.</summary>
    public void CopyFrom(int offset, ReadOnlySpan<byte> source)
    {
        // SAFETY: the slice is checked by the span constructor's arguments; the range was checked by TryPin.
        source.CopyTo(new Span<byte>(_start, Length)[offset..]);
        _memory.NotifyWritten(Address + (ulong)offset, (ulong)source.Length);
    }

    /// <summary>Copies out of the buffer from <paramref name="offset"/>. Throws if it does not fit.</summary>
    public void CopyTo(int offset, Span<byte> destination) =>
        new Span<byte>(_start, Length).Slice(offset, destination.Length).CopyTo(destination);

    /// <summary>Host address, for calls that hand the range to the kernel (preadv, io_uring). After a write call <see cref="MarkWritten"/>.</summary>
    public nint HostAddress => (nint)_start;

    /// <summary>Gives the whole pages in the range back to the host: see <see cref="GuestMemory.TryRelease"/>.</summary>
    public void Release()
    {
        ulong start = (Address + MappedRegion.PageBytes - 1) & ~(MappedRegion.PageBytes - 1), end = (Address + (ulong)Length) & ~(MappedRegion.PageBytes - 1);
        if (start < end) _ = _memory.TryRelease(start, end - start);
    }

    /// <summary>Tells the engine and the dirty log that the host wrote <paramref name="length"/> bytes at <paramref name="offset"/>.</summary>
    public void MarkWritten(int offset, int length) => _memory.NotifyWritten(Address + (ulong)offset, (ulong)length);
}
