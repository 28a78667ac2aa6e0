using System;
using System.Buffers.Binary;
using System.Collections.Immutable;
using Hutch.Core.Memory;
using Hutch.Devices;

namespace Hutch.Vmm.Boot;

/// <summary>A loadable segment of an ELF file, checked to lie inside the file.</summary>
/// <param name="Offset">Offset in the file.</param>
/// <param name="FileBytes">Bytes to copy.</param>
/// <param name="Address">Guest physical address (p_paddr).</param>
/// <param name="VirtualAddress">Linked address (p_vaddr).</param>
/// <param name="MemoryBytes">Bytes occupied; what exceeds the file's bytes is zero.</param>
internal sealed record ElfSegment(ulong Offset, ulong FileBytes, ulong Address, ulong VirtualAddress, ulong MemoryBytes);

/// <summary>The parts of an x86 ELF executable that a loader needs (System V ABI, chapters 4 and 5).</summary>
internal sealed class ElfFile
{
    private const ushort Machine386 = 3, MachineX64 = 62;
    private const uint Loadable = 1, Note = 4;

    // A kernel has a dozen program headers and a few hundred bytes of notes; more is damage.
    private const int MostHeaders = 256;
    private const ulong MostNoteBytes = 64 * 1024;

    /// <summary>ELFCLASS64.</summary>
    internal required bool Is64Bit { get; init; }

    /// <summary>e_entry.</summary>
    internal required ulong Entry { get; init; }

    /// <summary>Segments with memory, in the file's order.</summary>
    internal required ImmutableArray<ElfSegment> Segments { get; init; }

    /// <summary>The 32-bit entry point of the Xen note PHYS32_ENTRY, or null.</summary>
    internal required uint? PvhEntry { get; init; }

    /// <summary>Whether the entry point is 64-bit code inside a segment.</summary>
    internal bool CanEnterInLongMode => Is64Bit && TryFindEntry(out _);

    /// <summary>Whether a file starts as an ELF file does.</summary>
    internal static bool IsElf(ReadOnlySpan<byte> head) => head.Length >= 4 && head[..4].SequenceEqual("\x7f"u8 + "ELF"u8);

    /// <summary>Parses the headers. Throws <see cref="ConfigException"/> for a file that is not a whole x86 executable.</summary>
    internal static ElfFile Parse(ImageSource source, ReadOnlySpan<byte> head)
    {
        if (head.Length < 64 || head[4] is not (1 or 2) || head[5] != 1) throw Damaged(source, "its header is damaged or big-endian");
        bool wide = head[4] == 2;
        ushort machine = BinaryPrimitives.ReadUInt16LittleEndian(head[18..]);
        if (machine is not (Machine386 or MachineX64)) throw Damaged(source, $"it is for machine type {machine}, not x86");
        ulong entry = wide ? BinaryPrimitives.ReadUInt64LittleEndian(head[24..]) : BinaryPrimitives.ReadUInt32LittleEndian(head[24..]);
        ulong table = wide ? BinaryPrimitives.ReadUInt64LittleEndian(head[32..]) : BinaryPrimitives.ReadUInt32LittleEndian(head[28..]);
        int entryBytes = BinaryPrimitives.ReadUInt16LittleEndian(head[(wide ? 54 : 42)..]);
        int count = BinaryPrimitives.ReadUInt16LittleEndian(head[(wide ? 56 : 44)..]);
        if (count is 0 or > MostHeaders || entryBytes != (wide ? 56 : 32)) throw Damaged(source, "its program header table is damaged");
        byte[] headers = new byte[count * entryBytes];
        if (!source.TryRead(table, headers)) throw Damaged(source, "its program headers are beyond its end (truncated?)");

        ImmutableArray<ElfSegment>.Builder segments = ImmutableArray.CreateBuilder<ElfSegment>();
        uint? pvh = null;
        for (int index = 0; index < count; index++)
        {
            ReadOnlySpan<byte> header = headers.AsSpan(index * entryBytes, entryBytes);
            uint type = BinaryPrimitives.ReadUInt32LittleEndian(header);
            ElfSegment segment = wide ? Read64(header) : Read32(header);
            if (type == Note) pvh ??= FindPvhEntry(source, segment);
            if (type != Loadable || segment.MemoryBytes == 0) continue;
            if (segment.FileBytes > segment.MemoryBytes) throw Damaged(source, "a segment is larger in the file than in memory");
            if (!source.IsInside(segment.Offset, segment.FileBytes)) throw Damaged(source, "a segment is beyond its end (truncated?)");
            segments.Add(segment);
        }
        if (segments.Count == 0) throw Damaged(source, "it has nothing to load");
        return new ElfFile { Is64Bit = wide, Entry = entry, Segments = segments.ToImmutable(), PvhEntry = pvh };
    }

    /// <summary>The physical address of the entry point, which linkers give as a physical or as a virtual one.</summary>
    internal bool TryFindEntry(out ulong address)
    {
        foreach (ElfSegment segment in Segments)
            if (Entry - segment.Address < segment.FileBytes)
            {
                address = Entry;
                return true;
            }
        foreach (ElfSegment segment in Segments)
            if (Entry - segment.VirtualAddress < segment.FileBytes)
            {
                address = Entry - segment.VirtualAddress + segment.Address;
                return true;
            }
        address = 0;
        return false;
    }

    /// <summary>Copies the segments into RAM and returns the range that they occupy. Throws <see cref="ConfigException"/> when they do not fit.</summary>
    internal (ulong Start, ulong End) Load(ImageSource source, GuestMemory memory)
    {
        ulong start = ulong.MaxValue, end = 0;
        foreach (ElfSegment segment in Segments)
        {
            if (!BootLayout.IsFree(memory, segment.Address, segment.MemoryBytes))
                throw new ConfigException($"The kernel {source.Name} does not fit: it wants 0x{segment.MemoryBytes:x} bytes at 0x{segment.Address:x}, which is not free RAM; give the guest more memory.");
            source.Load(memory, segment.Address, segment.Offset, segment.FileBytes);
            start = Math.Min(start, segment.Address);
            end = Math.Max(end, segment.Address + segment.MemoryBytes);
        }
        return (start, end);
    }

    private static ElfSegment Read64(ReadOnlySpan<byte> header) => new(
        Offset: BinaryPrimitives.ReadUInt64LittleEndian(header[8..]),
        VirtualAddress: BinaryPrimitives.ReadUInt64LittleEndian(header[16..]),
        Address: BinaryPrimitives.ReadUInt64LittleEndian(header[24..]),
        FileBytes: BinaryPrimitives.ReadUInt64LittleEndian(header[32..]),
        MemoryBytes: BinaryPrimitives.ReadUInt64LittleEndian(header[40..]));

    private static ElfSegment Read32(ReadOnlySpan<byte> header) => new(
        Offset: BinaryPrimitives.ReadUInt32LittleEndian(header[4..]),
        VirtualAddress: BinaryPrimitives.ReadUInt32LittleEndian(header[8..]),
        Address: BinaryPrimitives.ReadUInt32LittleEndian(header[12..]),
        FileBytes: BinaryPrimitives.ReadUInt32LittleEndian(header[16..]),
        MemoryBytes: BinaryPrimitives.ReadUInt32LittleEndian(header[20..]));

    // Notes: name length, descriptor length, type, then name and descriptor, each padded to four bytes.
    private static uint? FindPvhEntry(ImageSource source, ElfSegment note)
    {
        const uint Phys32Entry = 18;
        if (note.FileBytes > MostNoteBytes) return null;
        byte[] bytes = new byte[(int)note.FileBytes];
        if (!source.TryRead(note.Offset, bytes)) throw Damaged(source, "a note is beyond its end (truncated?)");
        ReadOnlySpan<byte> rest = bytes;
        while (rest.Length >= 12)
        {
            uint nameBytes = BinaryPrimitives.ReadUInt32LittleEndian(rest);
            uint valueBytes = BinaryPrimitives.ReadUInt32LittleEndian(rest[4..]);
            uint type = BinaryPrimitives.ReadUInt32LittleEndian(rest[8..]);
            ulong valueAt = 12 + (((ulong)nameBytes + 3) & ~3UL);
            ulong next = valueAt + (((ulong)valueBytes + 3) & ~3UL);
            if (valueAt + valueBytes > (ulong)rest.Length) return null;
            if (type == Phys32Entry && nameBytes == 4 && valueBytes >= 4 && rest.Slice(12, 4).SequenceEqual("Xen\0"u8))
                return BinaryPrimitives.ReadUInt32LittleEndian(rest[(int)valueAt..]);
            if (next >= (ulong)rest.Length) return null;
            rest = rest[(int)next..];
        }
        return null;
    }

    private static ConfigException Damaged(ImageSource source, string why) => new($"The kernel {source.Name} cannot be loaded: {why}.");
}
