using System;
using System.Threading;
using Hutch.Host.Memory;

namespace Hutch.Core.Memory;

/// <summary>
/// Memory of a device that the guest reads and writes at full speed, such as a display's frame buffer. Its place is the guest's to choose (a BAR) and may change
/// while it runs; the device looks at the bytes when it likes. Instructions in it are executed one by one. Owned by its <see cref="MemoryLayout"/>. Any thread.
/// </summary>
public sealed unsafe class DeviceMemory
{
    private const ulong Nowhere = ulong.MaxValue;

    private readonly MappedRegion _bytes;
    private readonly Action _changed;
    private ulong _start = Nowhere;

    internal DeviceMemory(MappedRegion bytes, ulong lengthBytes, int firstPage, Action changed)
    {
        (_bytes, _changed) = (bytes, changed);
        LengthBytes = lengthBytes;
        FirstPage = firstPage;
    }

    /// <summary>Length in bytes.</summary>
    public ulong LengthBytes { get; }

    /// <summary>Guest physical address of the first byte; null: the guest does not see it.</summary>
    public ulong? Start => Volatile.Read(ref _start) is not Nowhere and ulong start ? start : null;

    /// <summary>Number of the first page among those of all devices' memory. For the engines only.</summary>
    internal int FirstPage { get; }

    /// <summary>Host address of the first byte. For the engines only.</summary>
    internal byte* HostStart => _bytes.Start;

    /// <summary>Shows it at a page of guest physical memory where there is nothing else, or nowhere. Returns when no vCPU sees the old place any more.</summary>
    public void Place(ulong? start)
    {
        if (start is ulong address && (address % 4096 != 0 || address > ulong.MaxValue - LengthBytes))
            throw new ArgumentOutOfRangeException(nameof(start), $"0x{address:x} is no place for {LengthBytes} bytes of memory.");
        if (Interlocked.Exchange(ref _start, start ?? Nowhere) != (start ?? Nowhere)) _changed();
    }

    /// <summary>Copies out; the guest may be writing meanwhile. Throws if the range is outside: our bug.</summary>
    public void Read(ulong offset, Span<byte> destination)
    {
        Check(offset, destination.Length);
        // SAFETY: the range was just checked.
        new ReadOnlySpan<byte>(_bytes.Start + offset, destination.Length).CopyTo(destination);
    }

    /// <summary>Copies in. Throws if the range is outside: our bug.</summary>
    public void Write(ulong offset, ReadOnlySpan<byte> source)
    {
        Check(offset, source.Length);
        // SAFETY: the range was just checked.
        source.CopyTo(new Span<byte>(_bytes.Start + offset, source.Length));
    }

    /// <summary>Reads four bytes, the lowest address in the lowest bits. Throws if they are outside: our bug.</summary>
    public uint ReadWord(ulong offset)
    {
        Check(offset, sizeof(uint));
        // SAFETY: the range was just checked; the processor takes unaligned words.
        return *(uint*)(_bytes.Start + offset);
    }

    /// <summary>Writes four bytes. Throws if they are outside: our bug.</summary>
    public void WriteWord(ulong offset, uint value)
    {
        Check(offset, sizeof(uint));
        // SAFETY: as in ReadWord.
        *(uint*)(_bytes.Start + offset) = value;
    }

    /// <summary>Zeros everywhere.</summary>
    public void Clear() => _bytes.Discard();

    internal bool Holds(ulong address)
    {
        ulong start = Volatile.Read(ref _start);
        return start != Nowhere && address - start < LengthBytes;
    }

    /// <summary>Host address of a byte by its place in the guest, or null when it is elsewhere by now.</summary>
    internal byte* HostAddress(ulong address)
    {
        ulong start = Volatile.Read(ref _start), offset = address - start;
        // SAFETY: the offset was checked against the length of the mapping, by the same reading of the place.
        return start != Nowhere && offset < LengthBytes ? _bytes.Start + offset : null;
    }

    internal void Release() => _bytes.Dispose();

    private void Check(ulong offset, int length)
    {
        if (offset > LengthBytes || (ulong)length > LengthBytes - offset) throw new ArgumentOutOfRangeException(nameof(offset));
    }
}
