using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;

namespace Hutch.Cli.Guests;

/// <summary>A Linux kernel module and what its .modinfo section says of it.</summary>
/// <param name="Path">Path below <c>/lib/modules/VERSION/</c>.</param>
/// <param name="Content">The object file.</param>
/// <param name="Depends">Names of the modules that must be loaded first.</param>
/// <param name="Aliases">Patterns by which the kernel asks for the module.</param>
internal sealed record KernelModule(string Path, byte[] Content, IReadOnlyList<string> Depends, IReadOnlyList<string> Aliases)
{
    /// <summary>The module's name: the file's, with underscores.</summary>
    internal string Name => NameOf(Path);

    /// <summary>The module name of an object file's path.</summary>
    internal static string NameOf(string path) => System.IO.Path.GetFileNameWithoutExtension(path).Replace('-', '_');

    /// <summary>Reads an ELF64 object. A file without a readable .modinfo has no dependencies and no aliases.</summary>
    internal static KernelModule Read(string path, byte[] content)
    {
        List<string> depends = [], aliases = [];
        foreach (string entry in Encoding.ASCII.GetString(ModInfo(content)).Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            if (entry.StartsWith("depends=", StringComparison.Ordinal))
                depends.AddRange(entry[8..].Split(',', StringSplitOptions.RemoveEmptyEntries));
            else if (entry.StartsWith("alias=", StringComparison.Ordinal)) aliases.Add(entry[6..]);
        }
        return new KernelModule(path, content, depends, aliases);
    }

    /// <summary>The bytes of the section .modinfo (ELF-64 object file format: header at 0, e_shoff at 0x28, e_shentsize, e_shnum and e_shstrndx from 0x3a).</summary>
    private static ReadOnlySpan<byte> ModInfo(ReadOnlySpan<byte> file)
    {
        if (file.Length < 64 || !file.StartsWith("\x7f"u8) || file[4] != 2) return [];
        ulong table = BinaryPrimitives.ReadUInt64LittleEndian(file[0x28..]);
        int size = BinaryPrimitives.ReadUInt16LittleEndian(file[0x3a..]);
        int count = BinaryPrimitives.ReadUInt16LittleEndian(file[0x3c..]);
        int names = BinaryPrimitives.ReadUInt16LittleEndian(file[0x3e..]);
        if (size < 64 || names >= count || table > (ulong)file.Length || (ulong)(size * count) > (ulong)file.Length - table) return [];
        ReadOnlySpan<byte> headers = file.Slice((int)table, size * count);
        ReadOnlySpan<byte> nameTable = Section(file, headers.Slice(names * size, size));
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> header = headers.Slice(i * size, size);
            uint name = BinaryPrimitives.ReadUInt32LittleEndian(header);
            if (name < (uint)nameTable.Length && nameTable[(int)name..].StartsWith(".modinfo\0"u8)) return Section(file, header);
        }
        return [];
    }

    private static ReadOnlySpan<byte> Section(ReadOnlySpan<byte> file, ReadOnlySpan<byte> header)
    {
        ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(header[0x18..]), length = BinaryPrimitives.ReadUInt64LittleEndian(header[0x20..]);
        return offset > (ulong)file.Length || length > (ulong)file.Length - offset ? [] : file.Slice((int)offset, (int)length);
    }
}
