using System;
using System.Buffers.Binary;
using System.Collections.Generic;

namespace Hutch.Devices.Acpi;

/// <summary>Builds resource descriptors (ACPI 6.5 §6.4) and ends them with the end tag.</summary>
internal sealed class ResourceTemplate
{
    private const byte MemoryRange = 0, IoRange = 1, BusNumberRange = 2;
    private const byte MinimumAndMaximumFixed = 0x0c;

    // Type-specific flags (§6.4.3.5.5): read-write memory, cacheable or not; I/O over the whole 16-bit range.
    private const byte ReadWrite = 0x01, EntireRange = 0x03;

    private readonly List<byte> _bytes = [];

    /// <summary>IO (Decode16, start, start, 1, length).</summary>
    public ResourceTemplate Io(ushort start, byte lengthBytes)
    {
        _bytes.AddRange([0x47, 0x01, (byte)start, (byte)(start >> 8), (byte)start, (byte)(start >> 8), 0x01, lengthBytes]);
        return this;
    }

    /// <summary>IRQNoFlags: edge-triggered, active high, exclusive (§6.4.2.1).</summary>
    public ResourceTemplate Irq(int number)
    {
        ushort mask = (ushort)(1 << number);
        _bytes.AddRange([0x22, (byte)mask, (byte)(mask >> 8)]);
        return this;
    }

    /// <summary>Memory32Fixed (ReadWrite, start, length).</summary>
    public ResourceTemplate Memory32Fixed(uint start, uint lengthBytes)
    {
        _bytes.AddRange([0x86, 9, 0, 1]);
        Add(start, 4);
        Add(lengthBytes, 4);
        return this;
    }

    /// <summary>WordBusNumber, produced.</summary>
    public ResourceTemplate BusNumbers(byte first, byte last) => Window(0x88, 2, BusNumberRange, 0, first, last);

    /// <summary>WordIO, produced.</summary>
    public ResourceTemplate IoWindow(ushort first, ushort last) => Window(0x88, 2, IoRange, EntireRange, first, last);

    /// <summary>DWordMemory, not cacheable, produced.</summary>
    public ResourceTemplate MemoryWindow32(uint first, uint last) => Window(0x87, 4, MemoryRange, ReadWrite, first, last);

    /// <summary>QWordMemory, not cacheable, produced.</summary>
    public ResourceTemplate MemoryWindow64(ulong first, ulong last) => Window(0x8a, 8, MemoryRange, ReadWrite, first, last);

    /// <summary>The descriptors with the end tag; checksum zero means that it is not checked (§6.4.2.9).</summary>
    public byte[] ToArray() => [.. _bytes, 0x79, 0x00];

    private ResourceTemplate Window(byte tag, int widthBytes, byte kind, byte flags, ulong first, ulong last)
    {
        _bytes.Add(tag);
        Add((ulong)(3 + 5 * widthBytes), 2);
        _bytes.AddRange([kind, MinimumAndMaximumFixed, flags]);
        Add(0, widthBytes);                  // granularity
        Add(first, widthBytes);
        Add(last, widthBytes);
        Add(0, widthBytes);                  // translation
        Add(last - first + 1, widthBytes);
        return this;
    }

    private void Add(ulong value, int lengthBytes)
    {
        Span<byte> little = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(little, value);
        _bytes.AddRange(little[..lengthBytes]);
    }
}
