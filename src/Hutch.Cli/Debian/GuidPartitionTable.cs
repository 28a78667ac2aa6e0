using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Text;
using Hutch.Host.Compression;

namespace Hutch.Cli.Debian;

/// <summary>One partition. Sectors are of 512 bytes.</summary>
/// <param name="Type">What it is for, as a partition type GUID.</param>
/// <param name="Name">At most 36 characters.</param>
/// <param name="First">First sector.</param>
/// <param name="Count">Number of sectors.</param>
internal sealed record Partition(Guid Type, string Name, long First, long Count);

/// <summary>Writes a GUID partition table: protective MBR, header and entries, and their copies at the end of the disk (UEFI 2.10 §5.2.3 and §5.3).</summary>
internal static class GuidPartitionTable
{
    /// <summary>Bytes of a sector.</summary>
    internal const int SectorBytes = 512;

    /// <summary>Sectors at the end of the disk that belong to the table.</summary>
    internal const int TailSectors = 1 + EntrySectors;

    /// <summary>Bytes of the first sector that a boot program may have; the MBR's partitions follow.</summary>
    internal const int BootCodeBytes = 440;

    private const int EntryBytes = 128, EntryCount = 128, EntrySectors = EntryBytes * EntryCount / SectorBytes;
    private const int HeaderBytes = 92, Revision = 0x0001_0000, NameBytes = 72, FirstUsable = 2 + EntrySectors;
    private const int MbrRecord = 446, ProtectiveType = 0xee;

    /// <summary>Writes the table and the boot program before it; what the partitions hold stays.</summary>
    /// <param name="disk">A disk whose length is whole sectors.</param>
    /// <param name="id">The disk's id.</param>
    /// <param name="partitions">In the order of their numbers; ids of their own are made up.</param>
    /// <param name="bootCode">Up to <see cref="BootCodeBytes"/> that a BIOS executes.</param>
    internal static void Write(Stream disk, Guid id, IReadOnlyList<Partition> partitions, ReadOnlySpan<byte> bootCode)
    {
        long sectors = disk.Length / SectorBytes;
        byte[] entries = new byte[EntryBytes * EntryCount];
        for (int i = 0; i < partitions.Count; i++) WriteEntry(entries.AsSpan(i * EntryBytes, EntryBytes), partitions[i]);
        uint sum = Crc32.Of(entries);
        Put(disk, 0, Mbr(sectors, bootCode));
        Put(disk, 1, Header(id, sectors, 1, 2, sum));
        Put(disk, 2, entries);
        Put(disk, sectors - TailSectors, entries);
        Put(disk, sectors - 1, Header(id, sectors, sectors - 1, sectors - TailSectors, sum));
    }

    private static void WriteEntry(Span<byte> entry, Partition partition)
    {
        partition.Type.TryWriteBytes(entry);
        Guid.NewGuid().TryWriteBytes(entry[16..]);
        BinaryPrimitives.WriteInt64LittleEndian(entry[32..], partition.First);
        BinaryPrimitives.WriteInt64LittleEndian(entry[40..], partition.First + partition.Count - 1);
        Encoding.Unicode.GetBytes(partition.Name, entry.Slice(EntryBytes - NameBytes, NameBytes));
    }

    private static byte[] Mbr(long sectors, ReadOnlySpan<byte> bootCode)
    {
        byte[] mbr = new byte[SectorBytes];
        bootCode[..Math.Min(bootCode.Length, BootCodeBytes)].CopyTo(mbr);
        Span<byte> record = mbr.AsSpan(MbrRecord);
        // From cylinder 0, head 0, sector 2 to what no such address can say.
        record[2] = 2;
        record[4] = ProtectiveType;
        record[5] = record[6] = record[7] = 0xff;
        BinaryPrimitives.WriteUInt32LittleEndian(record[8..], 1);
        BinaryPrimitives.WriteUInt32LittleEndian(record[12..], (uint)Math.Min(sectors - 1, uint.MaxValue));
        mbr[510] = 0x55;
        mbr[511] = 0xaa;
        return mbr;
    }

    private static byte[] Header(Guid id, long sectors, long own, long entries, uint entriesSum)
    {
        byte[] sector = new byte[SectorBytes];
        Span<byte> header = sector.AsSpan(0, HeaderBytes);
        "EFI PART"u8.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], Revision);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], HeaderBytes);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], own);
        BinaryPrimitives.WriteInt64LittleEndian(header[32..], own == 1 ? sectors - 1 : 1);
        BinaryPrimitives.WriteInt64LittleEndian(header[40..], FirstUsable);
        BinaryPrimitives.WriteInt64LittleEndian(header[48..], sectors - TailSectors - 1);
        id.TryWriteBytes(header[56..]);
        BinaryPrimitives.WriteInt64LittleEndian(header[72..], entries);
        BinaryPrimitives.WriteInt32LittleEndian(header[80..], EntryCount);
        BinaryPrimitives.WriteInt32LittleEndian(header[84..], EntryBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(header[88..], entriesSum);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], Crc32.Of(header));
        return sector;
    }

    private static void Put(Stream disk, long sector, ReadOnlySpan<byte> bytes)
    {
        disk.Position = sector * SectorBytes;
        disk.Write(bytes);
    }
}
