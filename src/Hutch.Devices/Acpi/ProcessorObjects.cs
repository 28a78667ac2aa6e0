using System;
using System.Globalization;
using Hutch.Devices.Chipset;
using Hutch.Model.Machine;

namespace Hutch.Devices.Acpi;

/// <summary>
/// The processors in the DSDT: an object for each that there can be (ACPI 6.5 §8.4). All but the first can be plugged in and pulled out, by the registers of <see cref="CpuHotplug"/>: _STA says
/// whether it is there, _MAT what the MADT says of one that is, _EJ0 ejects it, _OST tells what the guest thinks of it.
/// </summary>
internal static class ProcessorObjects
{
    private const string Region = "CPST";

    // Bit n of one of two double words is that of vCPU n.
    private const int WordBits = 32, MostWords = CpuHotplug.MostVcpus / WordBits;

    /// <summary>Writes the objects into the scope \_SB.</summary>
    internal static void Write(AmlWriter aml, AcpiOptions options)
    {
        CpuTopology cpus = options.Cpus;
        if (cpus.VcpuCount > 1)
        {
            aml.PortRegion(Region, CpuHotplug.BasePort, CpuHotplug.LengthBytes);
            aml.DoubleWords(Region, "CPP0", "CPP1", "CPN0", "CPN1", "CPD0", "CPD1", "CPEJ", "CPOS");
            WriteStatus(aml);
        }
        int[]? nodes = Srat.NodesOf(options);
        for (int index = 0; index < cpus.VcpuCount; index++)
        {
            using (aml.Device(NameOf(index)))
            {
                aml.Name("_HID").String("ACPI0007");
                aml.Name("_UID").Integer((ulong)index);
                // One that is plugged in has its node from here (ACPI 6.5 §6.2.15).
                if (nodes is not null) aml.Name("_PXM").Integer((ulong)nodes[index]);
                if (index is > 0 and < CpuHotplug.MostVcpus) WritePlugging(aml, cpus, index);
            }
        }
    }

    /// <summary>Writes the event's method into the scope \_GPE: it notifies the processors that are new, and those that are to be given up.</summary>
    internal static void WriteEvent(AmlWriter aml, CpuTopology cpus)
    {
        if (cpus.VcpuCount == 1) return;
        using (aml.Scope("\\_GPE"))
        using (aml.Method($"_E{CpuHotplug.GpeNumber:X2}", 0))
        {
            int count = Math.Min(cpus.VcpuCount, CpuHotplug.MostVcpus);
            for (int word = 0; word * WordBits < count; word++)
            {
                aml.Store().Path($"\\_SB.CPN{word}").Local(word);
                aml.Store().Path($"\\_SB.CPD{word}").Local(MostWords + word);
            }
            for (int index = 1; index < count; index++)
            {
                WriteNotify(aml, index, index / WordBits, Dsdt.DeviceCheck);
                WriteNotify(aml, index, MostWords + (index / WordBits), Dsdt.EjectRequest);
            }
        }
    }

    private static void WriteNotify(AmlWriter aml, int index, int local, ulong value)
    {
        using (aml.If())
        {
            aml.And().Local(local).Integer(BitOf(index)).Integer(0);
            aml.Notify().Path($"\\_SB.{NameOf(index)}").Integer(value);
        }
    }

    private static void WritePlugging(AmlWriter aml, CpuTopology cpus, int index)
    {
        const ulong present = 0x0f;
        using (aml.Method("_STA", 0))
        {
            using (aml.If())
            {
                aml.And().Path($"CPP{index / WordBits}").Integer(BitOf(index)).Integer(0);
                aml.Return().Integer(present);
            }
            aml.Return().Integer(0);
        }
        aml.Name("_MAT").Buffer(Madt.Processor(cpus, index, isPresent: true));
        using (aml.Method("_EJ0", 1)) aml.Store().Integer((ulong)index).Path("CPEJ");
        using (aml.Method("_OST", 3)) aml.Path("CPSS").Integer((ulong)index).Arg(0).Arg(1);
    }

    // CPSS (number, event, status): one store, so that no other comes in between.
    private static void WriteStatus(AmlWriter aml)
    {
        using (aml.Method("CPSS", 3))
        {
            aml.ShiftLeft().Arg(1).Integer(16).Local(0);
            aml.And().Arg(2).Integer(0xff).Local(1);
            aml.ShiftLeft().Local(1).Integer(8).Local(1);
            aml.Or().Local(0).Local(1).Local(0);
            aml.Or().Local(0).Arg(0).Local(0);
            aml.And().Local(0).Integer(uint.MaxValue).Path("CPOS");
        }
    }

    private static ulong BitOf(int index) => 1UL << (index % WordBits);

    private static string NameOf(int index) => string.Create(CultureInfo.InvariantCulture, $"C{index:X3}");
}
