namespace Hutch.Cpu.Apic;

/// <summary>IA32_APIC_BASE (Intel SDM 3A §11.4.4, §11.12.1).</summary>
internal static class ApicBase
{
    /// <summary>Bit 8: the boot processor.</summary>
    public const ulong BootProcessor = 1 << 8;

    /// <summary>Bit 10: x2APIC mode.</summary>
    public const ulong Extended = 1 << 10;

    /// <summary>Bit 11: global enable.</summary>
    public const ulong Enabled = 1 << 11;

    /// <summary>The page address.</summary>
    public const ulong AddressMask = 0x000f_ffff_ffff_f000;

    /// <summary>Where the page is after reset.</summary>
    public const ulong DefaultAddress = 0xfee0_0000;

    /// <summary>The value after reset.</summary>
    public static ulong AfterReset(int index) => DefaultAddress | Enabled | (index == 0 ? BootProcessor : 0);

    /// <summary>The mode that a value selects. Only valid values are ever stored.</summary>
    public static ApicMode ModeOf(ulong value) =>
        (value & Enabled) == 0 ? ApicMode.Disabled : (value & Extended) == 0 ? ApicMode.XApic : ApicMode.X2Apic;

    /// <summary>Whether a write is allowed: no reserved bits, and a transition of SDM 3A figure 11-27.</summary>
    public static bool IsValidChange(ulong from, ulong to, int physicalAddressBits, bool hasX2Apic)
    {
        ulong allowed = BootProcessor | Enabled | (AddressMask & ((1UL << physicalAddressBits) - 1)) | (hasX2Apic ? Extended : 0);
        if ((to & ~allowed) != 0) return false;
        if ((to & (Enabled | Extended)) == Extended) return false;
        return (ModeOf(from), ModeOf(to)) is not ((ApicMode.X2Apic, ApicMode.XApic) or (ApicMode.Disabled, ApicMode.X2Apic));
    }
}
