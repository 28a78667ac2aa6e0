using System;
using Hutch.Host.Memory;

namespace Hutch.Core.Memory;

/// <summary>
/// Memory that the guest reads and executes at full speed and cannot write: its stores arrive as accesses to the bus. While it is hidden, its loads do so too.
/// Owned by its <see cref="MemoryLayout"/>. Any thread.
/// </summary>
public sealed unsafe class RomRegion
{
    private readonly MappedRegion _bytes;
    private readonly Action<ulong, ulong> _written;
    private readonly Action _changed;
    private volatile bool _visible = true;

    internal RomRegion(ulong start, MappedRegion bytes, ulong lengthBytes, Action<ulong, ulong> written, Action changed)
    {
        (_written, _changed) = (written, changed);
        _bytes = bytes;
        Start = start;
        LengthBytes = lengthBytes;
    }

    /// <summary>Guest physical address of the first byte.</summary>
    public ulong Start { get; }

    /// <summary>Length in bytes.</summary>
    public ulong LengthBytes { get; }

    /// <summary>Whether loads are served from here; otherwise they arrive as accesses.</summary>
    public bool IsVisible
    {
        get => _visible;
        set
        {
            if (_visible == value) return;
            _visible = value;
            _changed();
        }
    }

    /// <summary>Host address of the first byte. For the engines only.</summary>
    internal byte* HostStart => _bytes.Start;

    /// <summary>Copies out. Throws if the range is outside: our bug.</summary>
    public void Read(ulong offset, Span<byte> destination)
    {
        Check(offset, destination.Length);
        // SAFETY: the range was just checked.
        new ReadOnlySpan<byte>(_bytes.Start + offset, destination.Length).CopyTo(destination);
    }

    /// <summary>Changes the content, as a flash chip does by itself. Throws if the range is outside: our bug.</summary>
    public void Write(ulong offset, ReadOnlySpan<byte> source)
    {
        Check(offset, source.Length);
        // SAFETY: the range was just checked.
        source.CopyTo(new Span<byte>(_bytes.Start + offset, source.Length));
        _written(Start + offset, (ulong)source.Length);
    }

    internal void Release() => _bytes.Dispose();

    private void Check(ulong offset, int length)
    {
        if (offset > LengthBytes || (ulong)length > LengthBytes - offset) throw new ArgumentOutOfRangeException(nameof(offset));
    }
}
