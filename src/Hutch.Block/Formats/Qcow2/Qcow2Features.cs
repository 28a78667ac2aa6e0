using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Feature bits of version 3 headers, and the names that images carry for them (qcow2 §"Feature name table").</summary>
internal static class Qcow2Features
{
    /// <summary>Incompatible: refcounts may be behind; metadata is wrong; data lies in another file; compression_type is set; L2 entries have 128 bits.</summary>
    internal const ulong Dirty = 1, Corrupt = 2, DataFile = 4, Compression = 8, ExtendedL2 = 16;

    /// <summary>All incompatible features that are understood here.</summary>
    internal const ulong KnownIncompatible = Dirty | Corrupt | DataFile | Compression | ExtendedL2;

    /// <summary>Compatible: refcount updates may be postponed.</summary>
    internal const ulong LazyRefcounts = 1;

    /// <summary>Autoclear: the bitmaps are consistent; the data file is a valid raw image.</summary>
    internal const ulong Bitmaps = 1, DataFileRaw = 2;

    /// <summary>All autoclear features that are understood here.</summary>
    internal const ulong KnownAutoclear = Bitmaps | DataFileRaw;

    /// <summary>Length of an entry of the name table in bytes: type, bit, and the name.</summary>
    private const int EntryBytes = 48;

    private static readonly (byte Type, byte Bit, string Name)[] s_names =
    [
        (0, 0, "dirty bit"), (0, 1, "corrupt bit"), (0, 2, "external data file"), (0, 3, "compression type"), (0, 4, "extended L2 entries"),
        (1, 0, "lazy refcounts"), (2, 0, "bitmaps"), (2, 1, "raw external data"),
    ];

    /// <summary>The name table that is written into headers.</summary>
    internal static byte[] WriteNameTable()
    {
        byte[] table = new byte[s_names.Length * EntryBytes];
        for (int i = 0; i < s_names.Length; i++)
        {
            (byte type, byte bit, string name) = s_names[i];
            table[i * EntryBytes] = type;
            table[(i * EntryBytes) + 1] = bit;
            Encoding.ASCII.GetBytes(name, table.AsSpan((i * EntryBytes) + 2));
        }
        return table;
    }

    /// <summary>Names the incompatible features in <paramref name="bits"/> that are not understood, by the image's own <paramref name="nameTable"/>.</summary>
    internal static string NameUnknown(ulong bits, ReadOnlySpan<byte> nameTable)
    {
        List<string> names = [];
        // The last entry may be cut off behind its name.
        for (; nameTable.Length > 2 && nameTable[2] != 0; nameTable = nameTable[Math.Min(EntryBytes, nameTable.Length)..])
        {
            if (nameTable[0] != 0 || nameTable[1] > 63 || (bits & (1UL << nameTable[1])) == 0) continue;
            ReadOnlySpan<byte> name = nameTable[2..Math.Min(EntryBytes, nameTable.Length)];
            int end = name.IndexOf((byte)0);
            names.Add(Encoding.UTF8.GetString(end < 0 ? name : name[..end]));
            bits &= ~(1UL << nameTable[1]);
        }
        if (bits != 0) names.Add(string.Create(CultureInfo.InvariantCulture, $"Unknown incompatible feature: {bits:x}"));
        return string.Join(", ", names);
    }
}
