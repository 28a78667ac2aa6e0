using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;
using Hutch.Model.Machine;

namespace Hutch.Devices.Firmware;

/// <summary>What the firmware configuration device has to tell: numbered items, and files with names that a directory gives numbers to (QEMU docs/specs/fw_cfg).</summary>
internal sealed class FwCfgItems
{
    /// <summary>The longest name of a file, in ASCII characters.</summary>
    internal const int LongestName = FwCfgEntry.LongestName;

    private const ushort Directory = 0x19, FirstFile = 0x20;
    private const int EntryBytes = 64, NameOffset = 8;

    private readonly Dictionary<ushort, byte[]> _items = [];
    private readonly Dictionary<string, ushort> _numbers = [];
    private readonly List<(string Name, int LengthBytes)> _files = [];

    /// <summary>Sets a numbered item.</summary>
    internal void Set(ushort number, params byte[] content) => _items[number] = content;

    /// <summary>Sets a numbered item to a number of 16 bits.</summary>
    internal void Set(ushort number, ushort value) => Set(number, (byte)value, (byte)(value >> 8));

    /// <summary>Sets a file's content. One that is set again must keep its length, which the guest may have read.</summary>
    internal void SetFile(string name, byte[] content)
    {
        if (_numbers.TryGetValue(name, out ushort number))
        {
            if (_items[number].Length != content.Length) throw new InvalidOperationException($"The firmware's file {name} has another length than before.");
            _items[number] = content;
            return;
        }
        if (name.Length is 0 or > LongestName || !Ascii.IsValid(name)) throw new ArgumentException($"'{name}' is no name for a file of the firmware's.", nameof(name));
        number = (ushort)(FirstFile + _files.Count);
        _files.Add((name, content.Length));
        _numbers[name] = number;
        _items[number] = content;
        _items[Directory] = BuildDirectory();
    }

    /// <summary>A file's number, or null.</summary>
    internal ushort? NumberOf(string name) => _numbers.TryGetValue(name, out ushort number) ? number : null;

    /// <summary>An item's content; none where there is no such item.</summary>
    internal ReadOnlySpan<byte> this[ushort number] => _items.TryGetValue(number, out byte[]? content) ? content : [];

    private byte[] BuildDirectory()
    {
        byte[] directory = new byte[4 + (EntryBytes * _files.Count)];
        BinaryPrimitives.WriteInt32BigEndian(directory, _files.Count);
        for (int i = 0; i < _files.Count; i++)
        {
            Span<byte> entry = directory.AsSpan(4 + (EntryBytes * i), EntryBytes);
            BinaryPrimitives.WriteInt32BigEndian(entry, _files[i].LengthBytes);
            BinaryPrimitives.WriteUInt16BigEndian(entry[4..], (ushort)(FirstFile + i));
            Encoding.ASCII.GetBytes(_files[i].Name, entry[NameOffset..]);
        }
        return directory;
    }
}
