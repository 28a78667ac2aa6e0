using System;
using System.Buffers.Binary;
using System.IO;
using Hutch.Core.Memory;
using Hutch.Core.State;

namespace Hutch.Devices.Display;

/// <summary>Saves and restores memory of a device: its pages that are not zero, each behind its number.</summary>
internal static class MemoryPages
{
    private const int PageBytes = 4096, EntryBytes = PageBytes + sizeof(uint);

    /// <summary>Passes the field <c>memory</c> out or in.</summary>
    internal static void Exchange(StateFields fields, DeviceMemory memory)
    {
        int pages = (int)(memory.LengthBytes / PageBytes);
        byte[] saved = fields.Blob("memory", fields.IsRestoring ? [] : Save(memory, pages), pages * EntryBytes);
        if (!fields.IsRestoring) return;
        fields.Require(saved.Length % EntryBytes == 0, "memory");
        memory.Clear();
        for (int at = 0; at < saved.Length; at += EntryBytes)
        {
            uint page = BinaryPrimitives.ReadUInt32LittleEndian(saved.AsSpan(at));
            fields.Require(page < (uint)pages, "memory");
            memory.Write((ulong)page * PageBytes, saved.AsSpan(at + sizeof(uint), PageBytes));
        }
    }

    private static byte[] Save(DeviceMemory memory, int pages)
    {
        using MemoryStream saved = new();
        byte[] entry = new byte[EntryBytes];
        for (int page = 0; page < pages; page++)
        {
            Span<byte> content = entry.AsSpan(sizeof(uint));
            memory.Read((ulong)page * PageBytes, content);
            if (!content.ContainsAnyExcept((byte)0)) continue;
            BinaryPrimitives.WriteInt32LittleEndian(entry, page);
            saved.Write(entry);
        }
        return saved.ToArray();
    }
}
