using System;
using System.Buffers.Binary;
using System.IO;
using Hutch.Core.Memory;
using Hutch.Core.State;

namespace Hutch.Devices.Display;

/// <summary>Saves and restores memory of a device: its pages that are not zero, each behind its number.</summary>
internal static class MemoryPages
{
    /// <summary>Bytes of a page.</summary>
    internal const int PageBytes = 4096;

    private const int EntryBytes = PageBytes + sizeof(uint);

    /// <summary>Copies a page out of the memory, or into it.</summary>
    /// <param name="page">Its number, from 0.</param>
    /// <param name="content"><see cref="PageBytes"/> of them.</param>
    internal delegate void CopyPage(int page, Span<byte> content);

    /// <summary>Passes the field <c>memory</c> out or in.</summary>
    internal static void Exchange(StateFields fields, DeviceMemory memory)
    {
        if (fields.IsRestoring) memory.Clear();
        Exchange(fields, (int)(memory.LengthBytes / PageBytes), (page, content) => memory.Read((ulong)page * PageBytes, content), (page, content) => memory.Write((ulong)page * PageBytes, content));
    }

    /// <summary>Passes the field <c>memory</c> out or in, of so many pages. Those that are restored hold zeros.</summary>
    internal static void Exchange(StateFields fields, int pages, CopyPage copyOut, CopyPage copyIn)
    {
        byte[] saved = fields.Blob("memory", fields.IsRestoring ? [] : Save(pages, copyOut), (int)Math.Min((long)pages * EntryBytes, Array.MaxLength));
        if (!fields.IsRestoring) return;
        fields.Require(saved.Length % EntryBytes == 0, "memory");
        for (int at = 0; at < saved.Length; at += EntryBytes)
        {
            uint page = BinaryPrimitives.ReadUInt32LittleEndian(saved.AsSpan(at));
            fields.Require(page < (uint)pages, "memory");
            copyIn((int)page, saved.AsSpan(at + sizeof(uint), PageBytes));
        }
    }

    private static byte[] Save(int pages, CopyPage copyOut)
    {
        using MemoryStream saved = new();
        byte[] entry = new byte[EntryBytes];
        for (int page = 0; page < pages; page++)
        {
            Span<byte> content = entry.AsSpan(sizeof(uint));
            copyOut(page, content);
            if (!content.ContainsAnyExcept((byte)0)) continue;
            BinaryPrimitives.WriteInt32LittleEndian(entry, page);
            saved.Write(entry);
        }
        return saved.ToArray();
    }
}
