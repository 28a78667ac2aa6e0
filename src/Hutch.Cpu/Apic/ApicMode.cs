namespace Hutch.Cpu.Apic;

/// <summary>How a local APIC is enabled in IA32_APIC_BASE (Intel SDM 3A §11.12.1).</summary>
internal enum ApicMode
{
    /// <summary>Disabled: no registers, the PIC's output goes straight to the boot vCPU.</summary>
    Disabled,

    /// <summary>Registers in the MMIO page.</summary>
    XApic,

    /// <summary>Registers as MSRs 0x800 to 0x83f.</summary>
    X2Apic,
}

/// <summary>Delivery modes of ICR, LVT and MSI data (Intel SDM 3A §11.5.1, §11.6.1).</summary>
internal enum DeliveryMode : byte
{
    Fixed = 0, LowestPriority = 1, Smi = 2, Nmi = 4, Init = 5, StartUp = 6, ExtInt = 7,
}

/// <summary>Register numbers: offset in the xAPIC page divided by 16, which is the MSR index less 0x800.</summary>
internal static class ApicRegister
{
    public const int Id = 0x02, Version = 0x03, Tpr = 0x08, Apr = 0x09, Ppr = 0x0a, Eoi = 0x0b, Rrd = 0x0c, Ldr = 0x0d, Dfr = 0x0e, Svr = 0x0f;
    public const int Isr = 0x10, Tmr = 0x18, Irr = 0x20, Esr = 0x28, LvtCmci = 0x2f, IcrLow = 0x30, IcrHigh = 0x31;
    public const int LvtTimer = 0x32, LvtThermal = 0x33, LvtPerf = 0x34, LvtLint0 = 0x35, LvtLint1 = 0x36, LvtError = 0x37;
    public const int InitialCount = 0x38, CurrentCount = 0x39, Divide = 0x3e, SelfIpi = 0x3f;
}
