using Hutch.Devices.Chipset;

namespace Hutch.Devices.Acpi;

/// <summary>The fixed ACPI description table (ACPI 6.5 §5.2.9) for a machine with real fixed hardware.</summary>
internal static class Fadt
{
    private const byte MajorRevision = 6, MinorRevision = 5;
    private const int LengthBytes = 276;
    private const byte CenturyRegister = 0x32;
    private const ushort ResetPort = 0xcf9;
    private const byte ResetValue = 6;

    // Latencies above 100 and 1000 us say that C2 and C3 do not exist.
    private const ushort NoC2 = 101, NoC3 = 1001;

    // Flags: caches flush with WBINVD, C1 on all processors, no sleep button, no fixed RTC wake, 32-bit PM timer, reset register.
    private const uint Flags = 1u << 0 | 1u << 2 | 1u << 5 | 1u << 6 | 1u << 8 | 1u << 10;

    // IA-PC boot architecture flags (§5.2.9.3): legacy devices, no ASPM; MSI and CMOS RTC are there.
    private const ushort BootFlags = 1 << 0 | 1 << 4, HasKeyboardController = 1 << 1, HasNoVga = 1 << 2;

    /// <summary>Builds the table.</summary>
    /// <param name="facs">Address of the FACS, below 4 GiB.</param>
    /// <param name="dsdt">Address of the DSDT, below 4 GiB.</param>
    /// <param name="options">What the machine has.</param>
    public static byte[] Build(uint facs, uint dsdt, AcpiOptions options)
    {
        int bootFlags = BootFlags | (options.HasKeyboard ? HasKeyboardController : 0) | (options.HasVga ? 0 : HasNoVga);
        ushort events = (ushort)(options.PmBase + PmBlock.EventOffset), control = (ushort)(options.PmBase + PmBlock.ControlOffset);
        ushort timer = (ushort)(options.PmBase + PmBlock.TimerOffset), gpe = (ushort)(options.PmBase + PmBlock.GpeOffset);
        AcpiTable table = new("FACP", MajorRevision);
        table.UInt32(facs).UInt32(dsdt);
        table.Byte(0).Byte(0);                                        // reserved; preferred profile: unspecified
        table.UInt16(PmBlock.SciGsi);
        table.UInt32(0).Byte(0).Byte(0).Byte(0).Byte(0);              // no SMI command port: ACPI mode is always on
        table.UInt32(events).UInt32(0).UInt32(control).UInt32(0);
        table.UInt32(0).UInt32(timer).UInt32(gpe).UInt32(0);
        table.Byte(4).Byte(2).Byte(0).Byte(4);                        // lengths: PM1 event, PM1 control, PM2 control, PM timer
        table.Byte(PmBlock.GpeLengthBytes).Byte(0).Byte(0).Byte(0);   // GPE0, GPE1, GPE1 base; no C-state control port
        table.UInt16(NoC2).UInt16(NoC3).UInt16(0).UInt16(0);          // latencies; no flush by reading
        table.Byte(0).Byte(0).Byte(0).Byte(0).Byte(CenturyRegister);  // no duty cycle, no day and month alarm
        table.UInt16((ushort)bootFlags).Byte(0).UInt32(Flags);
        table.IoAddress(ResetPort, 8, 1).Byte(ResetValue);
        table.UInt16(0).Byte(MinorRevision);                          // ARM boot flags
        // A 64-bit FACS address would make guests ignore the 32-bit one; the 64-bit DSDT address repeats the other.
        table.UInt64(0).UInt64(dsdt);
        table.IoAddress(events, 32, 2).Zeroes(12);
        table.IoAddress(control, 16, 2).Zeroes(12);
        table.Zeroes(12).IoAddress(timer, 32, 3);
        table.IoAddress(gpe, PmBlock.GpeLengthBytes * 8, 1).Zeroes(12);
        table.Zeroes(24);                                             // sleep control and status: for reduced hardware
        table.Text("HUTCHVM", 8);                                     // hypervisor vendor
        System.Diagnostics.Debug.Assert(table.Length == LengthBytes);
        return table.Finish();
    }
}
