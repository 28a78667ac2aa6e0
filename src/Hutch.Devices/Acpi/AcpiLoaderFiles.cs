using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;

namespace Hutch.Devices.Acpi;

/// <summary>
/// The ACPI tables as files for firmware that places them itself, and the commands by which it does so (QEMU hw/acpi/bios-linker-loader, SeaBIOS
/// docs/Linking_overview): allocate, add a pointer, set a checksum. Addresses in the files are offsets until the commands have run.
/// </summary>
internal sealed class AcpiLoaderFiles
{
    /// <summary>Names of the files.</summary>
    internal const string TablesName = "etc/acpi/tables", RootName = "etc/acpi/rsdp", LoaderName = "etc/table-loader", TpmLogName = "etc/tpm/log";

    /// <summary>Length of the log of a machine with a TPM, the least that a PC may have (TCG ACPI Specification 1.2, table 7).</summary>
    internal const int TpmLogBytes = 64 << 10;

    // Firmware reads lengths before it has chosen addresses that the tables tell, and these change how many windows there are.
    private const int SpareBytes = 1024, LengthUnit = 4096;

    private const int CommandBytes = 128, NameBytes = 56;
    private const uint Allocate = 1, AddPointer = 2, AddChecksum = 3;
    private const byte HighZone = 1, SegmentFZone = 2;
    private const int TablesAlignment = 64, RootAlignment = 16, LogAlignment = 64;

    // Offsets in the FADT, the RSDP and every table's header (ACPI 6.5 §5.2.9, §5.2.5.3, §5.2.6).
    private const uint FadtFacs = 36, FadtDsdt = 40, FadtLongDsdt = 140, RootRsdt = 16, RootXsdt = 24, RootChecksum = 8, RootLongChecksum = 32, TableLength = 4, TableChecksum = 9;
    private const uint RootShortBytes = 20, RootBytes = 36;

    private readonly List<byte> _commands = [];

    /// <summary>Builds the three files.</summary>
    /// <param name="options">The machine.</param>
    /// <param name="tablesBytes">Length of the tables' file, as it was before; 0: to be chosen.</param>
    internal AcpiLoaderFiles(AcpiOptions options, int tablesBytes = 0)
    {
        List<byte> tables = [];
        (uint fadt, uint? tpm2, uint rsdt, uint xsdt) = AcpiTables.Lay(tables, 0, options);
        int length = tablesBytes != 0 ? tablesBytes : (tables.Count + SpareBytes + LengthUnit - 1) / LengthUnit * LengthUnit;
        if (tables.Count > length) throw new InvalidOperationException("The ACPI tables have outgrown their file.");
        Tables = [.. tables, .. new byte[length - tables.Count]];
        Root = AcpiTables.BuildRsdp(rsdt, xsdt);

        AddAllocation(TablesName, TablesAlignment, HighZone);
        AddAllocation(RootName, RootAlignment, SegmentFZone);
        AddAddress(TablesName, TablesName, fadt + FadtFacs, 4);
        AddAddress(TablesName, TablesName, fadt + FadtDsdt, 4);
        AddAddress(TablesName, TablesName, fadt + FadtLongDsdt, 8);
        AddSum(TablesName, fadt + TableChecksum, fadt, LengthOf(fadt));
        if (tpm2 is uint tpm)
        {
            AddAllocation(TpmLogName, LogAlignment, HighZone);
            AddAddress(TablesName, TpmLogName, tpm + Tpm2.LogAddressOffset, 8);
            AddSum(TablesName, tpm + TableChecksum, tpm, LengthOf(tpm));
        }
        AddRootTable(rsdt, 4);
        AddRootTable(xsdt, 8);
        AddAddress(RootName, TablesName, RootRsdt, 4);
        AddAddress(RootName, TablesName, RootXsdt, 8);
        AddSum(RootName, RootChecksum, 0, RootShortBytes);
        AddSum(RootName, RootLongChecksum, 0, RootBytes);
        Loader = [.. _commands];
    }

    /// <summary>All tables but the RSDP.</summary>
    internal byte[] Tables { get; }

    /// <summary>The RSDP.</summary>
    internal byte[] Root { get; }

    /// <summary>The commands.</summary>
    internal byte[] Loader { get; }

    private uint LengthOf(uint table) => BinaryPrimitives.ReadUInt32LittleEndian(Tables.AsSpan((int)(table + TableLength)));

    // The RSDT or the XSDT: a header, and addresses of this size.
    private void AddRootTable(uint table, byte entryBytes)
    {
        for (uint entry = AcpiTable.HeaderLengthBytes; entry < LengthOf(table); entry += entryBytes) AddAddress(TablesName, TablesName, table + entry, entryBytes);
        AddSum(TablesName, table + TableChecksum, table, LengthOf(table));
    }

    private void AddAllocation(string file, uint alignment, byte zone)
    {
        Span<byte> command = stackalloc byte[CommandBytes];
        Begin(command, Allocate, file);
        BinaryPrimitives.WriteUInt32LittleEndian(command[(4 + NameBytes)..], alignment);
        command[8 + NameBytes] = zone;
        _commands.AddRange(command);
    }

    // Adds the address of a file to a field of this size.
    private void AddAddress(string file, string source, uint offset, byte sizeBytes)
    {
        Span<byte> command = stackalloc byte[CommandBytes];
        Begin(command, AddPointer, file);
        Encoding.ASCII.GetBytes(source, command[(4 + NameBytes)..]);
        BinaryPrimitives.WriteUInt32LittleEndian(command[(4 + (2 * NameBytes))..], offset);
        command[8 + (2 * NameBytes)] = sizeBytes;
        _commands.AddRange(command);
    }

    // The byte is zero when the sum is made: firmware subtracts.
    private void AddSum(string file, uint offset, uint start, uint lengthBytes)
    {
        (file == RootName ? Root : Tables)[offset] = 0;
        Span<byte> command = stackalloc byte[CommandBytes];
        Begin(command, AddChecksum, file);
        BinaryPrimitives.WriteUInt32LittleEndian(command[(4 + NameBytes)..], offset);
        BinaryPrimitives.WriteUInt32LittleEndian(command[(8 + NameBytes)..], start);
        BinaryPrimitives.WriteUInt32LittleEndian(command[(12 + NameBytes)..], lengthBytes);
        _commands.AddRange(command);
    }

    private static void Begin(Span<byte> command, uint kind, string file)
    {
        command.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(command, kind);
        Encoding.ASCII.GetBytes(file, command[4..]);
    }
}
