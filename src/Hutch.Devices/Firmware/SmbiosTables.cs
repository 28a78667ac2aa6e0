using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Text;
using Hutch.Core.Memory;

namespace Hutch.Devices.Firmware;

/// <summary>
/// Builds the SMBIOS 3 entry point and the structures that guests read: 0, 1, 3, 4, 11, 16, 17, 19, 32 and 127 (SMBIOS 3.6 §5.2.2 and §7).
/// The image lies in the F segment, where guests search without UEFI; the range must be reserved in the guest's memory map.
/// </summary>
public static class SmbiosTables
{
    /// <summary>Where the image goes.</summary>
    public const ulong BaseAddress = 0xF_0000;

    /// <summary>Length of the entry point in bytes.</summary>
    internal const int EntryLengthBytes = 24;

    /// <summary>Offset of the structures in the image.</summary>
    internal const int TableOffset = 32;

    private const int EntryChecksumOffset = 5;
    private const byte MajorVersion = 3, MinorVersion = 6;
    private const string Manufacturer = "Hutch", Product = "Hutch";
    private const ulong Mebibyte = 1 << 20, ModuleBytes = 16ul << 30;

    // Handles are the structure's type in the high byte and a number in the low one.
    private const ushort BiosHandle = 0x0000, SystemHandle = 0x0100, ChassisHandle = 0x0300, ProcessorHandle = 0x0400, OemHandle = 0x0b00;
    private const ushort ArrayHandle = 0x1000, ModuleHandle = 0x1100, MappingHandle = 0x1300, BootHandle = 0x2000, EndHandle = 0x7f00;
    private const ushort NoHandle = 0xffff, NoErrorInformation = 0xfffe;
    private const byte Other = 1, Unknown = 2;

    /// <summary>Builds the image.</summary>
    public static SmbiosImage Build(SmbiosOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        List<byte> table = [];
        AddBios(table, options);
        AddSystem(table, options);
        AddChassis(table, options);
        for (int socket = 0; socket < options.Sockets; socket++) AddProcessor(table, options, socket);
        if (!options.OemStrings.IsEmpty) AddOemStrings(table, options.OemStrings);
        AddMemory(table, options);
        new SmbiosStructure(32, BootHandle).Bytes([0, 0, 0, 0, 0, 0]).Byte(0).AppendTo(table); // no errors detected
        new SmbiosStructure(127, EndHandle).AppendTo(table);

        byte[] image = new byte[TableOffset + table.Count];
        WriteEntry(image, table.Count);
        table.CopyTo(image, TableOffset);
        return new SmbiosImage(BaseAddress, image);
    }

    /// <summary>The 64-bit entry point (§5.2.2).</summary>
    private static void WriteEntry(Span<byte> image, int tableLengthBytes)
    {
        Encoding.ASCII.GetBytes("_SM3_").CopyTo(image);
        image[6] = EntryLengthBytes;
        image[7] = MajorVersion;
        image[8] = MinorVersion;
        image[10] = 1; // entry point revision
        BinaryPrimitives.WriteUInt32LittleEndian(image[12..], (uint)tableLengthBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(image[16..], BaseAddress + TableOffset);
        byte sum = 0;
        foreach (byte value in image[..EntryLengthBytes]) sum += value;
        image[EntryChecksumOffset] = (byte)-sum;
    }

    private static void AddBios(List<byte> table, SmbiosOptions options) =>
        new SmbiosStructure(0, BiosHandle)
            .Text(Manufacturer).Text(options.Version)
            .Word(0xe000)                       // start segment
            .Text("01/01/2024")
            .Byte(1)                            // ROM size: 128 KiB
            .Qword(1 << 3)                      // characteristics are not supported to be told
            .Byte(0x01)                         // ACPI is supported
            .Byte(0x14)                         // virtual machine; targeted content distribution
            .Byte(1).Byte(0).Byte(0xff).Byte(0xff)
            .Word(0)
            .AppendTo(table);

    private static void AddSystem(List<byte> table, SmbiosOptions options) =>
        new SmbiosStructure(1, SystemHandle)
            .Text(Manufacturer).Text(Product).Text(options.Version)
            .Byte(0)                            // no serial number
            .Bytes(options.Uuid.ToByteArray())
            .Byte(6)                            // wake-up by the power switch
            .Byte(0).Byte(0)                    // no SKU, no family
            .AppendTo(table);

    private static void AddChassis(List<byte> table, SmbiosOptions options) =>
        new SmbiosStructure(3, ChassisHandle)
            .Text(Manufacturer)
            .Byte(Other)
            .Text(options.Version)
            .Byte(0).Byte(0)                    // no serial number, no asset tag
            .Byte(3).Byte(3).Byte(3)            // boot-up, power supply and thermal states: safe
            .Byte(Unknown)
            .Dword(0).Byte(0).Byte(0).Byte(0).Byte(0)
            .Byte(0)                            // no SKU
            .AppendTo(table);

    private static void AddProcessor(List<byte> table, SmbiosOptions options, int socket)
    {
        int cores = options.CoresPerSocket, threads = options.CoresPerSocket * options.ThreadsPerCore;
        ushort characteristics = (ushort)(1 << 2 | (cores > 1 ? 1 << 3 : 0) | (options.ThreadsPerCore > 1 ? 1 << 4 : 0));
        new SmbiosStructure(4, (ushort)(ProcessorHandle + socket))
            .Text("CPU " + socket.ToString(System.Globalization.CultureInfo.InvariantCulture))
            .Byte(3)                            // central processor
            .Byte(Other)                        // family
            .Text(Manufacturer)
            .Qword(0)                           // CPUID says what it is
            .Text(options.Version)
            .Byte(0).Word(0).Word(0).Word(0)    // voltage and speeds are not known
            .Byte(0x41)                         // socket populated, processor enabled
            .Byte(Other)                        // upgrade
            .Word(NoHandle).Word(NoHandle).Word(NoHandle)
            .Byte(0).Byte(0).Byte(0)
            .Byte(CountByte(cores)).Byte(CountByte(cores)).Byte(CountByte(threads))
            .Word(characteristics)
            .Word(Other)                        // family 2
            .Word((ushort)cores).Word((ushort)cores).Word((ushort)threads)
            .Word((ushort)threads)              // threads enabled
            .AppendTo(table);
    }

    private static void AddOemStrings(List<byte> table, ImmutableArray<string> strings)
    {
        SmbiosStructure structure = new SmbiosStructure(11, OemHandle).Byte((byte)strings.Length);
        foreach (string text in strings) structure.Append(text);
        structure.AppendTo(table);
    }

    /// <summary>Counts of 256 and more are told by the 16-bit field alone (§7.5.6).</summary>
    private static byte CountByte(int count) => (byte)Math.Min(count, 0xff);

    private static void AddMemory(List<byte> table, SmbiosOptions options)
    {
        ulong total = options.LowMemoryBytes + options.HighMemoryBytes;
        ulong modules = Math.Max(1, (total + ModuleBytes - 1) / ModuleBytes);
        new SmbiosStructure(16, ArrayHandle)
            .Byte(Other).Byte(3).Byte(6)        // location; system memory; multi-bit ECC, so that guests do not worry
            .Dword(0x8000_0000)                 // capacity is in the extended field
            .Word(NoErrorInformation)
            .Word((ushort)modules)
            .Qword(total)
            .AppendTo(table);
        for (ulong module = 0; module < modules; module++)
            AddModule(table, (ushort)module, Math.Min(ModuleBytes, total - module * ModuleBytes));
        AddMapping(table, 0, 0, options.LowMemoryBytes);
        if (options.HighMemoryBytes != 0) AddMapping(table, 1, GuestMemory.HighMemoryStart, options.HighMemoryBytes);
    }

    private static void AddModule(List<byte> table, ushort number, ulong lengthBytes)
    {
        ulong mebibytes = lengthBytes / Mebibyte;
        // 0x7fff says that the extended size counts (§7.18.5).
        ushort size = mebibytes < 0x7fff ? (ushort)mebibytes : (ushort)0x7fff;
        new SmbiosStructure(17, (ushort)(ModuleHandle + number))
            .Word(ArrayHandle).Word(NoErrorInformation)
            .Word(NoHandle).Word(NoHandle)      // widths are not known
            .Word(size)
            .Byte(9).Byte(0)                    // DIMM, in no set
            .Text("DIMM " + number.ToString(System.Globalization.CultureInfo.InvariantCulture)).Byte(0)
            .Byte(7).Word(1 << 1)               // RAM; type detail: other
            .Word(0)
            .Text(Manufacturer)
            .Byte(0).Byte(0).Byte(0)            // serial number, asset tag, part number
            .Byte(0)
            .Dword(size == 0x7fff ? (uint)mebibytes : 0)
            .Word(0).Word(0).Word(0).Word(0)
            .AppendTo(table);
    }

    /// <summary>Where the array appears (§7.20): in KiB with an inclusive end, or as extended addresses where that does not fit.</summary>
    private static void AddMapping(List<byte> table, ushort number, ulong start, ulong lengthBytes)
    {
        ulong last = start + (lengthBytes - 1);
        bool extended = last / 1024 >= uint.MaxValue;
        new SmbiosStructure(19, (ushort)(MappingHandle + number))
            .Dword(extended ? uint.MaxValue : (uint)(start / 1024))
            .Dword(extended ? uint.MaxValue : (uint)(last / 1024))
            .Word(ArrayHandle)
            .Byte(1)
            .Qword(extended ? start : 0)
            .Qword(extended ? last : 0)
            .AppendTo(table);
    }
}
