using System;
using System.Buffers.Binary;

namespace Hutch.Vmm.Boot;

/// <summary>The header that a multiboot kernel carries in its first 8192 bytes (multiboot 0.6.96 §3.1).</summary>
/// <param name="Offset">Where the header is in the file.</param>
/// <param name="Flags">What the kernel asks for.</param>
/// <param name="HeaderAddress">Address at which the header itself is to be loaded, with bit 16 of the flags.</param>
/// <param name="LoadStart">Address of the first byte to load.</param>
/// <param name="LoadEnd">Address after the last byte to load; 0: to the end of the file.</param>
/// <param name="BssEnd">Address after the zeroed part; 0: none.</param>
/// <param name="Entry">Entry point.</param>
internal readonly record struct MultibootHeader(
    int Offset, uint Flags, uint HeaderAddress, uint LoadStart, uint LoadEnd, uint BssEnd, uint Entry)
{
    private const uint Magic = 0x1bad_b002;
    private const int SearchBytes = 8192;

    /// <summary>Bit 16: the address fields are valid and an ELF header is not to be looked at.</summary>
    internal bool HasAddresses => (Flags & (1 << 16)) != 0;

    /// <summary>Bits 0 to 15 are demands. Page-aligned modules (0), a memory map (1) and a video mode (2, which may be declined) are known.</summary>
    internal uint UnknownDemands => Flags & 0xfff8;

    /// <summary>Finds the header: a magic number, flags and a checksum that make zero, four-byte aligned.</summary>
    internal static MultibootHeader? Find(ReadOnlySpan<byte> head)
    {
        int last = Math.Min(head.Length, SearchBytes) - 12;
        for (int offset = 0; offset <= last; offset += 4)
        {
            if (Word(head, offset) != Magic) continue;
            uint flags = Word(head, offset + 4);
            if (Magic + flags + Word(head, offset + 8) != 0) continue;
            bool addresses = (flags & (1 << 16)) != 0;
            if (!addresses) return new MultibootHeader(offset, flags, 0, 0, 0, 0, 0);
            if (offset + 32 > head.Length) return null;
            return new MultibootHeader(offset, flags, Word(head, offset + 12), Word(head, offset + 16),
                Word(head, offset + 20), Word(head, offset + 24), Word(head, offset + 28));
        }
        return null;
    }

    private static uint Word(ReadOnlySpan<byte> head, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(head[offset..]);
}
