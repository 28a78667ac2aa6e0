using Hutch.Devices.Chipset;
using Hutch.Model.Machine;

namespace Hutch.Devices.Acpi;

/// <summary>The multiple APIC description table (ACPI 6.5 §5.2.12): processors, the IOAPIC, and where ISA interrupts differ.</summary>
internal static class Madt
{
    private const byte LocalApic = 0, IoApic = 1, InterruptOverride = 2, LocalApicNmi = 4, LocalX2Apic = 9, LocalX2ApicNmi = 10;
    private const uint LocalApicAddress = 0xFEE0_0000, PcatCompatible = 1, Enabled = 1;

    /// <summary>Ids from here on need the x2APIC structure; 255 is the xAPIC's broadcast.</summary>
    private const int FirstX2ApicId = 255;

    // MPS INTI flags (table 5.26): polarity active high in bits 0-1, trigger mode level in bits 2-3.
    private const ushort ConformsToBus = 0, LevelActiveHigh = 0x0d;
    private const byte IsaBus = 0, AllProcessors = 0xff, Lint1 = 1;
    private const byte TimerIrq = 0, TimerGsi = 2;

    /// <summary>Builds the table: a processor's UID is its number, its APIC id follows from the topology.</summary>
    public static byte[] Build(CpuTopology cpus)
    {
        AcpiTable table = new("APIC", 6);
        table.UInt32(LocalApicAddress).UInt32(PcatCompatible);
        for (int index = 0; index < cpus.VcpuCount; index++)
        {
            int id = cpus.ApicId(index);
            if (id < FirstX2ApicId && index < FirstX2ApicId) table.Byte(LocalApic).Byte(8).Byte((byte)index).Byte((byte)id).UInt32(Enabled);
            else table.Byte(LocalX2Apic).Byte(16).UInt16(0).UInt32((uint)id).UInt32(Enabled).UInt32((uint)index);
        }
        table.Byte(IoApic).Byte(12).Byte(0).Byte(0).UInt32((uint)Ioapic.BaseAddress).UInt32(0);
        table.Byte(InterruptOverride).Byte(10).Byte(IsaBus).Byte(TimerIrq).UInt32(TimerGsi).UInt16(ConformsToBus);
        table.Byte(InterruptOverride).Byte(10).Byte(IsaBus).Byte(PmBlock.SciGsi).UInt32(PmBlock.SciGsi).UInt16(LevelActiveHigh);
        table.Byte(LocalApicNmi).Byte(6).Byte(AllProcessors).UInt16(ConformsToBus).Byte(Lint1);
        if (cpus.HighestApicId >= FirstX2ApicId) table.Byte(LocalX2ApicNmi).Byte(12).UInt16(ConformsToBus).UInt32(uint.MaxValue).Byte(Lint1).Zeroes(3);
        return table.Finish();
    }
}
