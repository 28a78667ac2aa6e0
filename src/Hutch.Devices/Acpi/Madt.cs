using System;
using System.Buffers.Binary;
using Hutch.Devices.Chipset;
using Hutch.Model.Machine;

namespace Hutch.Devices.Acpi;

/// <summary>The multiple APIC description table (ACPI 6.5 §5.2.12): processors, the IOAPIC, and where ISA interrupts differ.</summary>
internal static class Madt
{
    private const byte LocalApic = 0, IoApic = 1, InterruptOverride = 2, LocalApicNmi = 4, LocalX2Apic = 9, LocalX2ApicNmi = 10;
    private const uint LocalApicAddress = 0xFEE0_0000, PcatCompatible = 1, Enabled = 1, OnlineCapable = 2;

    /// <summary>Ids from here on need the x2APIC structure; 255 is the xAPIC's broadcast.</summary>
    private const int FirstX2ApicId = 255;

    // MPS INTI flags (table 5.26): polarity active high in bits 0-1, trigger mode level in bits 2-3.
    private const ushort ConformsToBus = 0, LevelActiveHigh = 0x0d;
    private const byte IsaBus = 0, AllProcessors = 0xff, Lint1 = 1;
    private const byte TimerIrq = 0, TimerGsi = 2;

    /// <summary>Builds the table: a processor's UID is its number, its APIC id follows from the topology.</summary>
    /// <param name="cpus">All vCPUs that there can be.</param>
    /// <param name="absent">Those that are not plugged in: a bit for each.</param>
    public static byte[] Build(CpuTopology cpus, ulong absent = 0)
    {
        AcpiTable table = new("APIC", 6);
        table.UInt32(LocalApicAddress).UInt32(PcatCompatible);
        for (int index = 0; index < cpus.VcpuCount; index++)
            table.Bytes(Processor(cpus, index, isPresent: index >= CpuHotplug.MostVcpus || (absent >> index & 1) == 0));
        table.Byte(IoApic).Byte(12).Byte(0).Byte(0).UInt32((uint)Ioapic.BaseAddress).UInt32(0);
        table.Byte(InterruptOverride).Byte(10).Byte(IsaBus).Byte(TimerIrq).UInt32(TimerGsi).UInt16(ConformsToBus);
        table.Byte(InterruptOverride).Byte(10).Byte(IsaBus).Byte(PmBlock.SciGsi).UInt32(PmBlock.SciGsi).UInt16(LevelActiveHigh);
        table.Byte(LocalApicNmi).Byte(6).Byte(AllProcessors).UInt16(ConformsToBus).Byte(Lint1);
        if (cpus.HighestApicId >= FirstX2ApicId) table.Byte(LocalX2ApicNmi).Byte(12).UInt16(ConformsToBus).UInt32(uint.MaxValue).Byte(Lint1).Zeroes(3);
        return table.Finish();
    }

    /// <summary>The structure of one processor, which the _MAT of a hot-pluggable one returns too (ACPI 6.5 §5.2.12.2, §5.2.12.12, §6.2.11).</summary>
    internal static byte[] Processor(CpuTopology cpus, int index, bool isPresent)
    {
        uint id = (uint)cpus.ApicId(index), flags = isPresent ? Enabled : OnlineCapable;
        bool isShort = id < FirstX2ApicId && index < FirstX2ApicId;
        byte[] entry = new byte[isShort ? 8 : 16];
        (entry[0], entry[1]) = (isShort ? LocalApic : LocalX2Apic, (byte)entry.Length);
        if (isShort)
        {
            (entry[2], entry[3]) = ((byte)index, (byte)id);
            BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(4), flags);
            return entry;
        }
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(4), id);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(8), flags);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(12), (uint)index);
        return entry;
    }
}
