using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;
using System.Numerics;
using System.Text;
using Hutch.Core.Memory;
using Hutch.Devices.Acpi;
using Hutch.Devices.Chipset;
using Hutch.Devices.Pci;
using Hutch.Devices.Serial;
using Hutch.Model.Machine;

namespace Hutch.Devices.Firmware;

/// <summary>What a machine's firmware is told of it, by the numbers and names that SeaBIOS and OVMF look for.</summary>
internal sealed class FirmwareContents(MachineDefinition definition, GuestMemory memory, PciBus pci, PmBlock pm, ICpuHotplug cpus, ulong highWindowStart, ulong highWindowBytes)
{
    /// <summary>The file whose reading makes the ACPI tables anew.</summary>
    internal const string FreshName = AcpiLoaderFiles.LoaderName;

    private const ushort RamItem = 3, PresentCpusItem = 5, MenuItem = 0x0e, MostCpusItem = 0x0f, TimerOverrideItem = 0x8002;
    private const int MapEntryBytes = 20;
    private const uint UsableRam = 1;

    // Six bytes, one for each of S0 to S5: bit 7 says that the state exists, the rest is its SLP_TYP. S3 and S4 do not.
    private static ReadOnlySpan<byte> SleepStates => [0x80, 0, 0, 0, 0, 0x80];

    private int _tablesBytes;

    private ulong Absent => cpus.AbsentOf(definition.Cpus);

    /// <summary>Fills the device. Called once.</summary>
    internal void Fill(FwCfgItems items, FirmwareConfig config, IReadOnlyList<BootDevice> bootDevices)
    {
        byte[] ram = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(ram, memory.BootBytes);
        items.Set(RamItem, ram);
        CountCpus(items);
        items.Set(MostCpusItem, (ushort)(definition.Cpus.HighestApicId + 1));
        items.Set(MenuItem, config.Menu ? (ushort)1 : (ushort)0);
        items.Set(TimerOverrideItem, (byte)1);
        items.SetFile("etc/e820", MemoryMap());
        // Firmware's windows begin above it.
        if (memory.PluggableBytes != 0) items.SetFile("etc/reserved-memory-end", Number((long)(memory.PluggableStart + memory.PluggableBytes)));
        items.SetFile("etc/system-states", SleepStates.ToArray());
        if (bootDevices.Count != 0) items.SetFile("bootorder", BootOrder(bootDevices));
        if (config.Menu && config.MenuMilliseconds is int milliseconds) items.SetFile("etc/boot-menu-wait", Number(milliseconds));
        // Without a display SeaBIOS shows text on the first serial port instead.
        if (!definition.Devices.Any(static device => device is VgaConfig) && definition.Devices.Any(static device => device is SerialConfig { Port: 1 })) items.SetFile("etc/sercon-port", Number(SerialPorts.PortOf(1)));
        if (definition.Devices.Any(static device => device is TpmCrbConfig)) items.SetFile(AcpiLoaderFiles.TpmLogName, new byte[AcpiLoaderFiles.TpmLogBytes]);
        AddSmbios(items);
        Refresh(items);
        foreach (FwCfgEntry entry in config.Entries) FirmwareFactory.AddEntry(items, entry);
    }

    /// <summary>Tells of the vCPUs that are plugged in now, which firmware waits for.</summary>
    internal void CountCpus(FwCfgItems items) => items.Set(PresentCpusItem, (ushort)(definition.Cpus.VcpuCount - BitOperations.PopCount(Absent)));

    /// <summary>Makes the ACPI tables anew from where things are now.</summary>
    internal void Refresh(FwCfgItems items)
    {
        AcpiOptions options = AcpiOptions.Describe(definition, highWindowStart, highWindowBytes) with { AbsentVcpus = Absent, TpmLogBytes = AcpiLoaderFiles.TpmLogBytes };
        (ulong first, ulong last) = pci.HighRange();
        if (last != 0)
        {
            ulong start = Math.Min(first, options.PciWindow64Start), end = Math.Max(last, options.PciWindow64Start + (options.PciWindow64LengthBytes - 1));
            options = options with { PciWindow64Start = start, PciWindow64LengthBytes = end - start + 1 };
        }
        if (pm.Region is { IsMapped: true } registers) options = options with { PmBase = (ushort)registers.Start };
        if (pci.EcamStart is not 0 and ulong ecam) options = options with { EcamStart = ecam };
        AcpiLoaderFiles files = new(options, _tablesBytes);
        _tablesBytes = files.Tables.Length;
        items.SetFile(AcpiLoaderFiles.TablesName, files.Tables);
        items.SetFile(AcpiLoaderFiles.RootName, files.Root);
        items.SetFile(AcpiLoaderFiles.LoaderName, files.Loader);
    }

    private void AddSmbios(FwCfgItems items)
    {
        byte[] image = SmbiosTables.Build(SmbiosOptions.Describe(definition)).Image;
        items.SetFile("etc/smbios/smbios-anchor", image[..SmbiosTables.EntryLengthBytes]);
        items.SetFile("etc/smbios/smbios-tables", image[SmbiosTables.TableOffset..]);
    }

    private byte[] MemoryMap()
    {
        byte[] map = new byte[memory.BootHighBytes == 0 ? MapEntryBytes : 2 * MapEntryBytes];
        WriteEntry(map, 0, memory.LowBytes);
        if (memory.BootHighBytes != 0) WriteEntry(map.AsSpan(MapEntryBytes), GuestMemory.HighMemoryStart, memory.BootHighBytes);
        return map;
    }

    private static void WriteEntry(Span<byte> entry, ulong start, ulong lengthBytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(entry, start);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], lengthBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[16..], UsableRam);
    }

    private static byte[] BootOrder(IReadOnlyList<BootDevice> devices) =>
        Encoding.ASCII.GetBytes(string.Join('\n', devices.OrderBy(static device => device.Index).Select(static device => device.Path)) + '\0');

    private static byte[] Number(long value)
    {
        byte[] number = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(number, value);
        return number;
    }
}
