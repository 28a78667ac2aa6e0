using System;
using System.Collections.Generic;
using System.Text;

namespace Hutch.Devices.Firmware;

/// <summary>One SMBIOS structure under construction (SMBIOS 3.6 §6.1): header, formatted area, strings.</summary>
internal sealed class SmbiosStructure
{
    private readonly List<byte> _formatted = [];
    private readonly List<string> _strings = [];

    /// <summary>Begins a structure.</summary>
    public SmbiosStructure(byte type, ushort handle)
    {
        Byte(type).Byte(0).Word(handle);
    }

    /// <summary>Adds a byte.</summary>
    public SmbiosStructure Byte(byte value) => Add(value, 1);

    /// <summary>Adds a 16-bit field.</summary>
    public SmbiosStructure Word(ushort value) => Add(value, 2);

    /// <summary>Adds a 32-bit field.</summary>
    public SmbiosStructure Dword(uint value) => Add(value, 4);

    /// <summary>Adds a 64-bit field.</summary>
    public SmbiosStructure Qword(ulong value) => Add(value, 8);

    /// <summary>Adds bytes.</summary>
    public SmbiosStructure Bytes(ReadOnlySpan<byte> bytes)
    {
        _formatted.AddRange(bytes);
        return this;
    }

    /// <summary>Adds a string's number; the string itself follows the formatted area (§6.1.3).</summary>
    public SmbiosStructure Text(string text)
    {
        _strings.Add(text);
        return Byte((byte)_strings.Count);
    }

    /// <summary>Adds a string that no field has the number of.</summary>
    public void Append(string text) => _strings.Add(text);

    /// <summary>Appends the finished structure.</summary>
    public void AppendTo(List<byte> table)
    {
        _formatted[1] = (byte)_formatted.Count;
        table.AddRange(_formatted);
        foreach (string text in _strings)
        {
            table.AddRange(Encoding.ASCII.GetBytes(text));
            table.Add(0);
        }
        if (_strings.Count == 0) table.Add(0);
        table.Add(0);
    }

    private SmbiosStructure Add(ulong value, int lengthBytes)
    {
        for (int i = 0; i < lengthBytes; i++) _formatted.Add((byte)(value >> (8 * i)));
        return this;
    }
}
