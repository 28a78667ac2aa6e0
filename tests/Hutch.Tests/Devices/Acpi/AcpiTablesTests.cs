using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using Hutch.Devices;
using Hutch.Devices.Acpi;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Acpi;

/// <summary>The tables as guests find them (ACPI 6.5 §5.2).</summary>
public sealed class AcpiTablesTests
{
    private static readonly AcpiOptions Options = new()
    {
        Cpus = new CpuTopology(1, 4, 1),
        SerialPorts = [1, 2],
        PciWindow64Start = 0x80_0000_0000,
        PciWindow64LengthBytes = 0x80_0000_0000,
    };

    // ACPI 6.5 §5.2.5.1, §5.2.5.3.
    [Fact]
    public void Root_pointer_is_where_guests_look_and_both_checksums_hold()
    {
        AcpiImage image = AcpiTables.Build(Options);
        ReadOnlySpan<byte> rsdp = Slice(image, image.RsdpAddress, 36);

        Assert.Equal("RSD PTR ", Encoding.ASCII.GetString(rsdp[..8]));
        Assert.InRange(image.RsdpAddress, 0xE0000ul, 0xFFFFFul);
        Assert.Equal(0ul, image.RsdpAddress % 16);
        Assert.Equal(0, Sum(rsdp[..20]));
        Assert.Equal(0, Sum(rsdp));
        Assert.Equal(2, rsdp[15]);
    }

    [Fact]
    public void A_pc_has_no_memory_mapped_configuration_space_and_a_window_from_2_GiB_on()
    {
        AcpiOptions options = AcpiOptions.Describe(new MachineDefinition
        {
            Name = "pc", MemoryBytes = 1UL << 30, Cpus = new CpuTopology(1, 1, 1), Cpu = CpuModel.Max, Engine = EngineChoice.Software, Boot = null, Devices = [new PlatformConfig("platform", MachineKind.Pc)],
        }, 0, 0);
        Dictionary<string, byte[]> tables = Tables(AcpiTables.Build(options));

        Assert.Equal(["APIC", "DSDT", "FACP"], tables.Keys.Order());
        Assert.Equal(1UL << 31, options.PciWindowStart);
        Assert.Equal(0, Sum(tables["DSDT"]));
        Assert.Equal(-1, tables["DSDT"].AsSpan().IndexOf("_OSC"u8));
        Assert.Equal(-1, tables["DSDT"].AsSpan().IndexOf("S01_"u8));                // the chipset's slot is not to be ejected
        Assert.NotEqual(-1, tables["DSDT"].AsSpan().IndexOf("S02_"u8));
    }

    // ACPI 6.5 §5.2.7, §5.2.8: RSDT and XSDT.
    [Fact]
    public void The_table_of_short_addresses_has_the_same_tables()
    {
        AcpiImage image = AcpiTables.Build(Options);
        byte[] rsdp = Slice(image, image.RsdpAddress, 36).ToArray(), rsdt = Table(image, UInt32(rsdp, 16)), xsdt = Table(image, UInt64(rsdp, 24));

        Assert.Equal("RSDT", Encoding.ASCII.GetString(rsdt, 0, 4));
        Assert.Equal(0, Sum(rsdt));
        Assert.Equal(Enumerable.Range(0, (xsdt.Length - 36) / 8).Select(i => (uint)UInt64(xsdt, 36 + (8 * i))), Enumerable.Range(0, (rsdt.Length - 36) / 4).Select(i => UInt32(rsdt, 36 + (4 * i))));
    }

    // ACPI 6.5 §5.2.6.
    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(300)]
    public void Every_table_has_a_right_length_and_checksum(int vcpus)
    {
        Dictionary<string, byte[]> tables = Tables(AcpiTables.Build(Options with { Cpus = new CpuTopology(vcpus, 1, 1) }));

        Assert.Equal(["APIC", "DSDT", "FACP", "MCFG"], tables.Keys.Order());
        foreach (byte[] table in tables.Values) Assert.Equal(0, Sum(table));
    }

    // IA-PC HPET 1.0a §3.2.4.
    [Fact]
    public void The_table_of_event_timers_repeats_their_identification_and_says_where_they_are()
    {
        Dictionary<string, byte[]> tables = Tables(AcpiTables.Build(Options with { HasHpet = true }));
        byte[] hpet = tables["HPET"];

        Assert.Equal(56, hpet.Length);
        Assert.Equal(0x8086_a201u, UInt32(hpet, 36));
        Assert.Equal(0u, UInt32(hpet, 40));                                         // in memory, no bit offset
        Assert.Equal(0xfed0_0000UL, UInt64(hpet, 44));
        Assert.Equal(0, hpet[52]);
        Assert.NotEqual(-1, tables["DSDT"].AsSpan().IndexOf((ReadOnlySpan<byte>)[0x0c, 0x41, 0xd0, 0x01, 0x03])); // PNP0103
        Assert.DoesNotContain("HPET", Tables(AcpiTables.Build(Options)).Keys);
    }

    // TCG ACPI Specification 1.2, table 7. The log is firmware's: it allocates it and adds its address, and then makes the table's sum.
    [Fact]
    public void The_table_of_a_tpm_says_where_its_control_area_is_and_that_a_crb_starts_commands()
    {
        Dictionary<string, byte[]> tables = Tables(AcpiTables.Build(Options with { HasTpm = true }));
        byte[] tpm2 = tables["TPM2"];

        Assert.Equal((76, 4, 0), (tpm2.Length, tpm2[8], Sum(tpm2)));
        Assert.Equal(0xfed4_0040UL, UInt64(tpm2, 40));
        Assert.Equal((7u, 0u, 0UL), (UInt32(tpm2, 48), UInt32(tpm2, 64), UInt64(tpm2, 68)));
        Assert.NotEqual(-1, tables["DSDT"].AsSpan().IndexOf("MSFT0101"u8));
        Assert.DoesNotContain("TPM2", Tables(AcpiTables.Build(Options)).Keys);

        AcpiLoaderFiles files = new(Options with { HasTpm = true, TpmLogBytes = AcpiLoaderFiles.TpmLogBytes });
        int table = files.Tables.AsSpan().IndexOf("TPM2"u8);
        Assert.Equal(0x1_0000u, UInt32(files.Tables, table + 64));
        List<(uint Kind, string File, string Source, uint Offset)> commands = [];
        for (int at = 0; at < files.Loader.Length; at += 128)
            commands.Add((UInt32(files.Loader, at), Name(files.Loader, at + 4), Name(files.Loader, at + 60), UInt32(files.Loader, at + 116)));
        Assert.Contains(commands, command => command.Kind == 1 && command.File == "etc/tpm/log");
        int pointer = commands.IndexOf((2, "etc/acpi/tables", "etc/tpm/log", (uint)table + 68));
        int sum = Enumerable.Range(0, commands.Count).First(i => commands[i].Kind == 3 && UInt32(files.Loader, (i * 128) + 60) == (uint)table + 9);
        Assert.InRange(pointer, 0, sum - 1);
    }

    private static string Name(byte[] commands, int offset) => Encoding.ASCII.GetString(commands, offset, 56).TrimEnd('\0');

    // ACPI 6.5 §5.2.9.3: bit 1 is the keyboard controller, bit 2 the lack of VGA.
    [Theory]
    [InlineData(false, false, 0x15)]
    [InlineData(true, false, 0x17)]
    [InlineData(true, true, 0x13)]
    public void Tables_tell_of_a_keyboard_and_a_display(bool keyboard, bool vga, int flags)
    {
        Dictionary<string, byte[]> tables = Tables(AcpiTables.Build(Options with { HasKeyboard = keyboard, HasVga = vga }));

        Assert.Equal(flags, BinaryPrimitives.ReadUInt16LittleEndian(tables["FACP"].AsSpan(109)));
        // PNP0303 and PNP0F13 as EISA numbers, behind their prefix of a double word.
        Assert.Equal(keyboard, tables["DSDT"].AsSpan().IndexOf((ReadOnlySpan<byte>)[0x0c, 0x41, 0xd0, 0x03, 0x03]) >= 0);
        Assert.Equal(keyboard, tables["DSDT"].AsSpan().IndexOf((ReadOnlySpan<byte>)[0x0c, 0x41, 0xd0, 0x0f, 0x13]) >= 0);
    }

    // ACPI 6.5 §5.2.9.
    [Fact]
    public void Fadt_describes_the_fixed_hardware_as_it_is()
    {
        AcpiImage image = AcpiTables.Build(Options);
        byte[] fadt = Tables(image)["FACP"];

        Assert.Equal(276, fadt.Length);
        Assert.Equal(6, fadt[8]);
        Assert.Equal(9, BinaryPrimitives.ReadUInt16LittleEndian(fadt.AsSpan(46)));
        Assert.Equal(0x600u, UInt32(fadt, 56));
        Assert.Equal(0x604u, UInt32(fadt, 64));
        Assert.Equal(0x608u, UInt32(fadt, 76));
        Assert.Equal(0x620u, UInt32(fadt, 80));
        Assert.Equal([4, 2, 0, 4, 4], fadt[88..93]);
        uint flags = UInt32(fadt, 112);
        Assert.NotEqual(0u, flags & (1u << 10));     // reset register
        Assert.Equal(0u, flags & (1u << 20));        // not reduced hardware
        Assert.Equal(0x15, BinaryPrimitives.ReadUInt16LittleEndian(fadt.AsSpan(109)));
        Assert.Equal(1, fadt[116]);
        Assert.Equal(0xcf9ul, UInt64(fadt, 120));
        Assert.Equal(6, fadt[128]);
        Assert.Equal(UInt32(fadt, 40), UInt64(fadt, 140));
        Assert.Equal(0x600ul, UInt64(fadt, 152));
        Assert.Equal(0x604ul, UInt64(fadt, 176));
        Assert.Equal(0x608ul, UInt64(fadt, 212));
        Assert.Equal(0x620ul, UInt64(fadt, 224));
    }

    // ACPI 6.5 §5.2.10.
    [Fact]
    public void Facs_is_aligned_to_64_bytes()
    {
        AcpiImage image = AcpiTables.Build(Options);
        uint facs = UInt32(Tables(image)["FACP"], 36);

        Assert.Equal(0u, facs % 64);
        Assert.Equal("FACS", Encoding.ASCII.GetString(Slice(image, facs, 4)));
    }

    // ACPI 6.5 §5.2.12.
    [Fact]
    public void Madt_lists_processors_the_ioapic_and_the_overrides()
    {
        byte[] madt = Tables(AcpiTables.Build(Options with { Cpus = new CpuTopology(257, 1, 1) }))["APIC"];
        List<byte[]> entries = [];
        for (int at = 44; at < madt.Length; at += madt[at + 1]) entries.Add(madt[at..(at + madt[at + 1])]);

        Assert.Equal(255, entries.Count(e => e[0] == 0));
        Assert.Equal([255u, 256u], entries.Where(e => e[0] == 9).Select(e => UInt32(e, 4)));
        Assert.Equal(0xFEC0_0000u, UInt32(Assert.Single(entries, e => e[0] == 1), 4));
        Assert.Equal([[2, 10, 0, 0, 2, 0, 0, 0, 0, 0], [2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0]], entries.Where(e => e[0] == 2));
        Assert.Equal([4, 6, 0xff, 0, 0, 1], Assert.Single(entries, e => e[0] == 4));
        Assert.Single(entries, e => e[0] == 10);
    }

    // ACPI 6.5 §5.2.12.2.1: bit 0 is enabled, bit 1 is online capable.
    [Fact]
    public void Vcpus_that_are_not_plugged_in_are_online_capable_and_the_dsdt_has_all()
    {
        Dictionary<string, byte[]> tables = Tables(AcpiTables.Build(Options with { AbsentVcpus = 0b1010 }));

        Assert.Equal([1, 2, 1, 2], Enumerable.Range(0, 4).Select(index => tables["APIC"][44 + (8 * index) + 4]));
        foreach (string name in new[] { "C000", "C001", "C003", "_MAT", "_EJ0", "_OST", "_E02" }) Assert.True(tables["DSDT"].AsSpan().IndexOf(Encoding.ASCII.GetBytes(name)) >= 0, name);
        Assert.True(Tables(AcpiTables.Build(Options with { Cpus = new CpuTopology(1, 1, 1) }))["DSDT"].AsSpan().IndexOf("_E02"u8) < 0);
    }

    // ACPI 6.5 §5.2.16: revision 3; domain, base, length and flags of a memory structure.
    [Fact]
    public void Srat_is_there_where_memory_can_be_plugged_in_and_says_how_high_it_goes()
    {
        AcpiOptions growing = Options with { MemoryBytes = 4UL << 30, PluggableBytes = 1UL << 30 };
        byte[] srat = Tables(AcpiTables.Build(growing))["SRAT"];
        List<byte[]> entries = [];
        for (int at = 48; at < srat.Length; at += srat[at + 1]) entries.Add(srat[at..(at + srat[at + 1])]);

        Assert.Equal((3, 1u, 0), (srat[8], UInt32(srat, 36), Sum(srat)));
        Assert.Equal([0, 1, 2, 3], entries.Where(e => e[0] == 0).Select(e => (int)e[3]));
        Assert.Equal([(0UL, 0xB000_0000UL, 1u), (1UL << 32, (4UL << 30) - 0xB000_0000UL, 1u), (0x1_5000_0000UL, 1UL << 30, 3u)],
            entries.Where(e => e[0] == 1).Select(e => (UInt64(e, 8), UInt64(e, 16), UInt32(e, 28))));
        Assert.DoesNotContain("SRAT", Tables(AcpiTables.Build(Options)).Keys);
    }

    // A node that reaches over the hole below 4 GiB has two ranges; what can be plugged in is of the first node.
    [Fact]
    public void Srat_says_of_which_node_vcpus_and_memory_are()
    {
        AcpiOptions options = Options with
        {
            Cpus = new CpuTopology(257, 1, 1), MemoryBytes = 6UL << 30, PluggableBytes = 1UL << 30,
            NumaNodes = [new NumaNode("1-256", 2UL << 30), new NumaNode("0", 3UL << 30), new NumaNode("", 1UL << 30)],
        };
        byte[] srat = Srat.Build(options);
        List<byte[]> entries = [];
        for (int at = 48; at < srat.Length; at += srat[at + 1]) entries.Add(srat[at..(at + srat[at + 1])]);

        // §5.2.16.1: the domain's bytes are apart; §5.2.16.3 and §5.2.16.2: they are together.
        Assert.Equal([1, 0, 0], entries.Where(e => e[0] == 0).Take(3).Select(e => (int)e[2]));
        Assert.All(entries.Where(e => e[0] == 0), e => Assert.Equal(0, e[9] | e[10] | e[11]));
        Assert.Equal([(255u, 0u), (256u, 0u)], entries.Where(e => e[0] == 2).Select(e => (UInt32(e, 8), UInt32(e, 4))));
        Assert.Equal(
        [
            (0u, 0UL, 2UL << 30, 1u), (1u, 2UL << 30, 0x3000_0000UL, 1u), (1u, 1UL << 32, (3UL << 30) - 0x3000_0000, 1u),
            (2u, (1UL << 32) + (3UL << 30) - 0x3000_0000, 1UL << 30, 1u), (0u, 0x1_D000_0000UL, 1UL << 30, 3u),
        ], entries.Where(e => e[0] == 1).Select(e => (UInt32(e, 2), UInt64(e, 8), UInt64(e, 16), UInt32(e, 28))));
    }

    // ACPI 6.5 §5.2.17: the number of nodes, and a row for each.
    [Fact]
    public void Slit_has_the_distances_that_were_given_both_ways_and_20()
    {
        AcpiOptions options = Options with
        {
            MemoryBytes = 96 << 20, NumaNodes = [new NumaNode("0-1", 32 << 20), new NumaNode("2", 32 << 20), new NumaNode("3", 32 << 20)],
            NumaDistances = [new NumaDistance(0, 2, 31), new NumaDistance(1, 2, 40), new NumaDistance(2, 1, 255)],
        };
        Dictionary<string, byte[]> tables = Tables(AcpiTables.Build(options));
        byte[] slit = tables["SLIT"];

        Assert.Equal(3UL, UInt64(slit, 36));
        Assert.Equal([10, 20, 31, 20, 10, 40, 31, 255, 10], slit[44..]);
        Assert.Contains("SRAT", tables.Keys);
        Assert.NotEqual(-1, tables["DSDT"].AsSpan().IndexOf("_PXM"u8));
        Assert.DoesNotContain("SLIT", Tables(AcpiTables.Build(Options)).Keys);
        Assert.Equal(-1, Tables(AcpiTables.Build(Options))["DSDT"].AsSpan().IndexOf("_PXM"u8));
        // Firmware that places the tables gets these too.
        Assert.NotEqual(-1, new AcpiLoaderFiles(options).Tables.AsSpan().IndexOf("SLIT"u8));
    }

    // ACPI 6.5 §5.2.28.3: who is near to which memory; §5.2.28.4: a table of numbers for each kind, in picoseconds and megabytes a second.
    [Fact]
    public void Hmat_says_how_fast_memory_is_where_that_was_said()
    {
        AcpiOptions options = Options with
        {
            MemoryBytes = 96 << 20, NumaNodes = [new NumaNode("0-1", 32 << 20), new NumaNode("", 32 << 20), new NumaNode("2-3", 32 << 20)],
            NumaAccesses = [new NumaAccess(0, 0, 80, 100_000), new NumaAccess(0, 1, 65_534, 0), new NumaAccess(2, 1, 0, 5)],
        };
        byte[] hmat = Tables(AcpiTables.Build(options))["HMAT"];
        List<byte[]> entries = [];
        for (int at = 40; at < hmat.Length; at += (int)UInt32(hmat, at + 4)) entries.Add(hmat[at..(at + (int)UInt32(hmat, at + 4))]);

        Assert.Equal((2, 0u, 0), (hmat[8], UInt32(hmat, 36), Sum(hmat)));
        Assert.Equal([0, 0, 0, 1, 1], entries.Select(entry => (int)entry[0]));
        Assert.Equal([(40, 1, 0u, 0u), (40, 0, 0u, 1u), (40, 1, 2u, 2u)], entries.Take(3).Select(entry => (entry.Length, (int)entry[8], UInt32(entry, 12), UInt32(entry, 16))));
        byte[] latency = entries[3], bandwidth = entries[4];
        Assert.Equal((0, 0, 2u, 3u, 1000UL), (latency[8], latency[9], UInt32(latency, 12), UInt32(latency, 16), UInt64(latency, 24)));
        Assert.Equal([0, 2, 0, 1, 2], Enumerable.Range(0, 5).Select(i => (int)UInt32(latency, 32 + (4 * i))));
        Assert.Equal([80, 65_534, 0, 0, 0, 0], Numbers(latency));
        // Numbers of 16 bits do not hold 100,000: their unit is 10, and what is less is not nothing.
        Assert.Equal((3, 10UL), (bandwidth[9], UInt64(bandwidth, 24)));
        Assert.Equal([10_000, 0, 0, 0, 1, 0], Numbers(bandwidth));

        Assert.DoesNotContain("HMAT", Tables(AcpiTables.Build(options with { NumaAccesses = [] })).Keys);
        // A kind of which nobody said anything has no table.
        Assert.Equal(40 + (3 * 40) + latency.Length, Tables(AcpiTables.Build(options with { NumaAccesses = [new NumaAccess(0, 1, 100, 0)] }))["HMAT"].Length);
        static IEnumerable<int> Numbers(byte[] entry) => Enumerable.Range(0, 6).Select(i => (int)BinaryPrimitives.ReadUInt16LittleEndian(entry.AsSpan(52 + (2 * i))));
    }

    // PCI Firmware 3.3 §4.1.2.
    [Fact]
    public void Mcfg_gives_the_whole_bus_range()
    {
        byte[] mcfg = Tables(AcpiTables.Build(Options))["MCFG"];

        Assert.Equal(60, mcfg.Length);
        Assert.Equal(0xB000_0000ul, UInt64(mcfg, 44));
        Assert.Equal(PciWindows.LastBus, mcfg[55]);
    }

    [Fact]
    public void Too_many_vcpus_are_refused_with_a_sentence()
    {
        ConfigException error = Assert.Throws<ConfigException>(() => AcpiTables.Build(Options with { Cpus = new CpuTopology(4000, 1, 1) }));

        Assert.Contains("4000", error.Message, StringComparison.Ordinal);
    }

    internal static Dictionary<string, byte[]> Tables(AcpiImage image)
    {
        ulong xsdtAddress = UInt64(Slice(image, image.RsdpAddress, 36), 24);
        byte[] xsdt = Table(image, xsdtAddress);
        Assert.Equal(0, Sum(xsdt));
        Dictionary<string, byte[]> tables = [];
        for (int at = 36; at < xsdt.Length; at += 8) AddTable(Table(image, UInt64(xsdt, at)));
        AddTable(Table(image, UInt64(tables["FACP"], 140)));
        return tables;

        void AddTable(byte[] table) => tables.Add(Encoding.ASCII.GetString(table, 0, 4), table);
    }

    private static byte[] Table(AcpiImage image, ulong address) => Slice(image, address, (int)UInt32(Slice(image, address, 8), 4)).ToArray();

    private static ReadOnlySpan<byte> Slice(AcpiImage image, ulong address, int length) => image.Image.AsSpan((int)(address - image.BaseAddress), length);

    private static uint UInt32(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);

    private static ulong UInt64(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[offset..]);

    private static byte Sum(ReadOnlySpan<byte> bytes) => (byte)-AcpiTable.Checksum(bytes);
}
