using System;
using Hutch.Devices.Chipset;
using Hutch.Devices.Generation;
using Hutch.Devices.Pci;
using Hutch.Devices.Serial;
using Hutch.Devices.Tpm;
using Hutch.Model.Machine;

namespace Hutch.Devices.Acpi;

/// <summary>The differentiated system description table: the devices that a guest cannot find by itself.</summary>
internal static class Dsdt
{
    private const string PciHost = "PCI0", GenerationId = "VGEN";
    private const int SlotCount = 32, PinCount = 4;

    // Notifications (ACPI 6.5 §5.6.6).
    internal const ulong DeviceCheck = 1, EjectRequest = 3, StatusChanged = 0x80;

    // _OSC control bits that we grant (PCI Firmware 3.3 §4.5.1): the PCI Express capability structure. Hot-plug is ACPI's, there is no
    // root port to send PME or AER messages, and no LTR.
    private const uint GrantedPciControl = 1 << 4;
    private const uint OscUnknownUuid = 1 << 2, OscUnknownRevision = 1 << 3, OscCapabilitiesMasked = 1 << 4;

    private static readonly Guid PciOscUuid = new("33DB4D5B-1FF7-401C-9657-7441C03DD766");

    /// <summary>Builds the table.</summary>
    public static byte[] Build(AcpiOptions options)
    {
        AmlWriter aml = new();
        using (aml.Scope("\\_SB"))
        {
            ProcessorObjects.Write(aml, options);
            WriteReservedRanges(aml, options);
            if (options.HasHpet) WriteDevice(aml, "HPET", "PNP0103", new ResourceTemplate().Memory32Fixed((uint)Hpet.BaseAddress, (uint)Hpet.LengthBytes));
            if (options.HasGenerationId) WriteGenerationId(aml);
            if (options.HasVmClock) WriteVmClock(aml);
            if (options.HasTpm) WriteTpm(aml);
            using (aml.Device(PciHost))
            {
                WriteHostBridge(aml, options);
                if (options.Machine == MachineKind.Q35) WriteOsc(aml);
                WriteInterruptRouting(aml, options.Machine);
                WriteHotplug(aml, PciHotplug.FirstSlotOf(options.Machine));
                WriteLegacyDevices(aml);
                if (options.HasKeyboard) WriteInputDevices(aml);
                foreach (int port in options.SerialPorts) WriteSerialPort(aml, port);
            }
        }
        using (aml.Scope("\\_GPE"))
        using (aml.Method($"_E{PciHotplug.GpeNumber:X2}", 0))
        {
            aml.Path($"\\_SB.{PciHost}.DVNT").Path($"\\_SB.{PciHost}.PCIU").Integer(DeviceCheck);
            aml.Path($"\\_SB.{PciHost}.DVNT").Path($"\\_SB.{PciHost}.PCID").Integer(EjectRequest);
        }
        if (options.HasGenerationId)
        {
            using (aml.Scope("\\_GPE"))
            using (aml.Method($"_E{VmGenId.GpeNumber:X2}", 0)) aml.Notify().Path($"\\_SB.{GenerationId}").Integer(StatusChanged);
        }
        ProcessorObjects.WriteEvent(aml, options.Cpus);
        // SLP_TYPa, SLP_TYPb and two reserved elements: some guests want all four (ACPI 6.5 §7.4.2).
        aml.Name("\\_S5").IntegerPackage(PmBlock.SleepTypeSoftOff, PmBlock.SleepTypeSoftOff, 0, 0);
        return new AcpiTable("DSDT", 2).Bytes(aml.ToArray()).Finish();
    }

    /// <summary>Ranges that are in use but that no device below claims: ECAM (PCI Firmware 3.3 §4.1.2 wants it here) and the PM block.</summary>
    private static void WriteReservedRanges(AmlWriter aml, AcpiOptions options)
    {
        using (aml.Device("MBRD"))
        {
            aml.Name("_HID").EisaId("PNP0C02");
            aml.Name("_UID").Integer(0);
            ResourceTemplate ranges = new();
            if (options.EcamStart != 0) ranges.Memory32Fixed((uint)options.EcamStart, (uint)PciWindows.EcamBytes);
            aml.Name("_CRS").Buffer(ranges
                .Io(options.PmBase, (byte)PmBlock.LengthBytes)
                .Io(PciHotplug.BasePort, (byte)PciHotplug.LengthBytes)
                .Io(CpuHotplug.BasePort, (byte)CpuHotplug.LengthBytes)
                .ToArray());
        }
    }

    /// <summary>Where the generation identifier is. Guests look for the compatible name (Microsoft, Virtual Machine Generation ID); the device's own says only whose it is.</summary>
    private static void WriteGenerationId(AmlWriter aml)
    {
        using (aml.Device(GenerationId))
        {
            aml.Name("_HID").String("HUTC0001");
            aml.Name("_CID").String("VM_Gen_Counter");
            aml.Name("_DDN").String("VM_Gen_Counter");
            aml.Name("ADDR").IntegerPackage(VmGenId.Address & uint.MaxValue, VmGenId.Address >> 32);
        }
    }

    /// <summary>Where the VM clock is. Linux's driver goes by the device's name, which is that of its inventor's (Linux, drivers/ptp/ptp_vmclock.c).</summary>
    private static void WriteVmClock(AmlWriter aml)
    {
        using (aml.Device("VCLK"))
        {
            aml.Name("_HID").String("AMZNC10C");
            aml.Name("_CID").String("VMCLOCK");
            aml.Name("_DDN").String("VMCLOCK");
            aml.Name("_CRS").Buffer(new ResourceTemplate().Memory32Fixed((uint)VmClock.Address, GuestPage.Bytes).ToArray());
        }
    }

    /// <summary>Where the TPM is. The name is that of a TPM 2.0 whose maker has none of his own (TCG ACPI Specification 1.2).</summary>
    private static void WriteTpm(AmlWriter aml)
    {
        using (aml.Device("TPM"))
        {
            aml.Name("_HID").String("MSFT0101");
            aml.Name("_CRS").Buffer(new ResourceTemplate().Memory32Fixed((uint)TpmCrb.Address, TpmCrb.LengthBytes).ToArray());
        }
    }

    private static void WriteHostBridge(AmlWriter aml, AcpiOptions options)
    {
        bool isExpress = options.Machine == MachineKind.Q35;
        aml.Name("_HID").EisaId(isExpress ? "PNP0A08" : "PNP0A03");
        if (isExpress) aml.Name("_CID").EisaId("PNP0A03");
        aml.Name("_UID").Integer(0);
        aml.Name("_SEG").Integer(0);
        aml.Name("_BBN").Integer(0);
        // Linux complains of a bus without a node where there are some (ACPI 6.5 §6.2.15); this one is as near to all.
        if (!options.NumaNodes.IsEmpty) aml.Name("_PXM").Integer(0);
        ResourceTemplate windows = new ResourceTemplate()
            .BusNumbers(0, PciWindows.LastBus)
            .Io(0xcf8, 8)
            .IoWindow(0x0000, 0x0cf7)
            .IoWindow(0x0d00, 0xffff);
        WriteLowWindow(windows, (uint)options.PciWindowStart, (uint)options.EcamStart);
        if (options.PciWindow64LengthBytes != 0)
            windows.MemoryWindow64(options.PciWindow64Start, options.PciWindow64Start + (options.PciWindow64LengthBytes - 1));
        aml.Name("_CRS").Buffer(windows.ToArray());
    }

    /// <summary>The window below 4 GiB, without the configuration space where firmware put that into it: 256 MiB then, as firmware believes.</summary>
    private static void WriteLowWindow(ResourceTemplate windows, uint start, uint ecam)
    {
        const uint end = (uint)PciWindows.LowEnd, reserved = 256u << 20;
        if (ecam < start || ecam > end)
        {
            windows.MemoryWindow32(start, end);
            return;
        }
        if (ecam > start) windows.MemoryWindow32(start, ecam - 1);
        if (end - ecam >= reserved) windows.MemoryWindow32(ecam + reserved, end);
    }

    /// <summary>_OSC (ACPI 6.5 §6.2.11): grants the guest what there is and says so where it asked for more.</summary>
    private static void WriteOsc(AmlWriter aml)
    {
        using (aml.Method("_OSC", 4))
        {
            aml.CreateDWordField().Arg(3).Integer(0).Path("CDW1");
            using (aml.If())
            {
                aml.Equal().Arg(0).Uuid(PciOscUuid);
                aml.CreateDWordField().Arg(3).Integer(8).Path("CDW3");
                aml.And().Path("CDW3").Integer(GrantedPciControl).Local(0);
                using (aml.If())
                {
                    aml.Not().Equal().Arg(1).Integer(1);
                    aml.Or().Path("CDW1").Integer(OscUnknownRevision).Path("CDW1");
                }
                using (aml.If())
                {
                    aml.Not().Equal().Path("CDW3").Local(0);
                    aml.Or().Path("CDW1").Integer(OscCapabilitiesMasked).Path("CDW1");
                }
                aml.Store().Local(0).Path("CDW3");
            }
            using (aml.Else()) aml.Or().Path("CDW1").Integer(OscUnknownUuid).Path("CDW1");
            aml.Return().Arg(3);
        }
    }

    /// <summary>_PRT (ACPI 6.5 §6.2.13): every pin of every slot to its global system interrupt.</summary>
    private static void WriteInterruptRouting(AmlWriter aml, MachineKind machine)
    {
        aml.Name("_PRT");
        using (aml.Package(SlotCount * PinCount))
            for (int slot = 0; slot < SlotCount; slot++)
                for (int pin = 0; pin < PinCount; pin++)
                    aml.IntegerPackage((ulong)slot << 16 | 0xffff, (ulong)pin, 0, (ulong)PciBus.GsiOf(slot, pin, machine));
    }

    /// <summary>
    /// The slots that devices can be plugged into and pulled out of: the registers of <see cref="PciHotplug"/>, an object for each slot that ejects it (ACPI 6.5 §6.3.3),
    /// and a method that notifies those of a mask.
    /// </summary>
    private static void WriteHotplug(AmlWriter aml, int firstSlot)
    {
        aml.PortRegion("PCST", PciHotplug.BasePort, PciHotplug.LengthBytes);
        aml.DoubleWords("PCST", "PCIU", "PCID", "B0EJ");
        for (int slot = firstSlot; slot <= PciHotplug.LastSlot; slot++)
        {
            using (aml.Device($"S{slot:X2}"))
            {
                aml.Name("_ADR").Integer((ulong)slot << 16);
                aml.Name("_SUN").Integer((ulong)slot);
                using (aml.Method("_EJ0", 1)) aml.Store().Integer(1UL << slot).Path("B0EJ");
            }
        }
        using (aml.Method("DVNT", 2))
        {
            for (int slot = firstSlot; slot <= PciHotplug.LastSlot; slot++)
            {
                using (aml.If())
                {
                    aml.And().Arg(0).Integer(1UL << slot).Integer(0);
                    aml.Notify().Path($"S{slot:X2}").Arg(1);
                }
            }
        }
    }

    private static void WriteLegacyDevices(AmlWriter aml)
    {
        WriteDevice(aml, "PIC", "PNP0000", new ResourceTemplate().Io(0x20, 2).Io(0xa0, 2).Io(0x4d0, 2).Irq(2));
        WriteDevice(aml, "TIMR", "PNP0100", new ResourceTemplate().Io(0x40, 4).Irq(0));
        WriteDevice(aml, "SPKR", "PNP0800", new ResourceTemplate().Io(0x61, 1));
        WriteDevice(aml, "RTC", "PNP0B00", new ResourceTemplate().Io(0x70, 2).Irq(8));
    }

    private static void WriteInputDevices(AmlWriter aml)
    {
        WriteDevice(aml, "KBD", "PNP0303", new ResourceTemplate().Io(0x60, 1).Io(0x64, 1).Irq(1));
        WriteDevice(aml, "MOU", "PNP0F13", new ResourceTemplate().Irq(12));
    }

    private static void WriteDevice(AmlWriter aml, string name, string id, ResourceTemplate resources)
    {
        using (aml.Device(name))
        {
            aml.Name("_HID").EisaId(id);
            aml.Name("_CRS").Buffer(resources.ToArray());
        }
    }

    private static void WriteSerialPort(AmlWriter aml, int number)
    {
        using (aml.Device("COM" + (char)('0' + number)))
        {
            aml.Name("_HID").EisaId("PNP0501");
            aml.Name("_UID").Integer((ulong)number);
            aml.Name("_CRS").Buffer(new ResourceTemplate()
                .Io(SerialPorts.PortOf(number), SerialPorts.LengthBytes)
                .Irq(SerialPorts.GsiOf(number))
                .ToArray());
        }
    }
}
