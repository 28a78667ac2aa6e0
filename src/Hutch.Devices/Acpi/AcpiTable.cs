using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;

namespace Hutch.Devices.Acpi;

/// <summary>A table under construction: the common header (ACPI 6.5 §5.2.6), then fields in order.</summary>
internal sealed class AcpiTable
{
    /// <summary>Length of the common header in bytes.</summary>
    public const int HeaderLengthBytes = 36;

    private const int LengthOffset = 4, ChecksumOffset = 9;

    private readonly List<byte> _bytes = [];

    /// <summary>Begins a table with its header.</summary>
    public AcpiTable(string signature, byte revision)
    {
        Text(signature, 4).UInt32(0).Byte(revision).Byte(0);
        Text("HUTCH", 6).Text("HUTCHVM", 8).UInt32(1).Text("HTCH", 4).UInt32(1);
    }

    /// <summary>Bytes so far.</summary>
    public int Length => _bytes.Count;

    /// <summary>Adds a byte.</summary>
    public AcpiTable Byte(byte value) => Add(value, 1);

    /// <summary>Adds a 16-bit field.</summary>
    public AcpiTable UInt16(ushort value) => Add(value, 2);

    /// <summary>Adds a 32-bit field.</summary>
    public AcpiTable UInt32(uint value) => Add(value, 4);

    /// <summary>Adds a 64-bit field.</summary>
    public AcpiTable UInt64(ulong value) => Add(value, 8);

    /// <summary>Adds zeroes.</summary>
    public AcpiTable Zeroes(int count)
    {
        for (int i = 0; i < count; i++) _bytes.Add(0);
        return this;
    }

    /// <summary>Adds ASCII padded to a length: with blanks in the header's names, which some guests print.</summary>
    public AcpiTable Text(string text, int lengthBytes)
    {
        _bytes.AddRange(Encoding.ASCII.GetBytes(text.PadRight(lengthBytes)));
        return this;
    }

    /// <summary>Adds bytes.</summary>
    public AcpiTable Bytes(ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    /// <summary>A generic address structure in I/O space (ACPI 6.5 §5.2.3.2). Access size: 1 byte, 2 word, 3 double word.</summary>
    public AcpiTable IoAddress(ushort port, byte widthBits, byte accessSize) =>
        Byte(1).Byte(widthBits).Byte(0).Byte(accessSize).UInt64(port);

    /// <summary>Fills in length and checksum.</summary>
    public byte[] Finish()
    {
        byte[] table = [.. _bytes];
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(LengthOffset), (uint)table.Length);
        table[ChecksumOffset] = Checksum(table);
        return table;
    }

    /// <summary>The byte that makes the sum of all bytes zero, where its own place holds zero.</summary>
    public static byte Checksum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte value in bytes) sum += value;
        return (byte)-sum;
    }

    private AcpiTable Add(ulong value, int lengthBytes)
    {
        for (int i = 0; i < lengthBytes; i++) _bytes.Add((byte)(value >> (8 * i)));
        return this;
    }
}
