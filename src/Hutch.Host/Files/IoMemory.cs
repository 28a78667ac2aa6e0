using System;
using System.Buffers;

namespace Hutch.Host.Files;

/// <summary>
/// Shows native memory to calls that take <see cref="Memory{T}"/>, such as those of streams. One range at a time: what was shown before must no longer be in use.
/// </summary>
public sealed unsafe class IoMemory : MemoryManager<byte>
{
    private IoSegment _segment;

    /// <summary>The memory of a range, which the caller keeps mapped for as long as it is used.</summary>
    /// <param name="segment">A range of at most 2 GiB.</param>
    public Memory<byte> Show(IoSegment segment)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(segment.LengthBytes, int.MaxValue);
        _segment = segment;
        return CreateMemory((int)segment.LengthBytes);
    }

    /// <inheritdoc/>
    // SAFETY: whoever showed the segment keeps it mapped, and its length was checked.
    public override Span<byte> GetSpan() => new((void*)_segment.Address, (int)_segment.LengthBytes);

    /// <inheritdoc/>
    // SAFETY: native memory stays in place by itself; the index is inside the segment.
    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(elementIndex, (int)_segment.LengthBytes);
        return new MemoryHandle((byte*)_segment.Address + elementIndex);
    }

    /// <inheritdoc/>
    public override void Unpin() { }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) { }
}
