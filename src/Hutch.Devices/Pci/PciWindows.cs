using System;
using Hutch.Model.Machine;

namespace Hutch.Devices.Pci;

/// <summary>Where the host bridge forwards accesses to bus 0. The ACPI _CRS of the root bridge says the same.</summary>
public static class PciWindows
{
    /// <summary>ECAM base; the MCFG table says the same.</summary>
    public const ulong EcamStart = 0xB000_0000;

    /// <summary>The last bus that there can be. Linux reads 32 slots of each bus up to here before anything else, two exits each.</summary>
    public const byte LastBus = 0;

    /// <summary>ECAM length: 1 MiB for each bus.</summary>
    public const ulong EcamBytes = (LastBus + 1ul) << 20;

    /// <summary>First address of the window below 4 GiB.</summary>
    public const ulong LowStart = 0xC000_0000;

    /// <summary>Last address of the window below 4 GiB; the IOAPIC follows.</summary>
    public const ulong LowEnd = 0xFEBF_FFFF;

    /// <summary>First I/O port for BARs.</summary>
    public const ushort IoStart = 0xC000;

    /// <summary>Last I/O port for BARs.</summary>
    public const ushort IoEnd = 0xFFFF;

    /// <summary>Where addresses above 32 bits begin.</summary>
    internal const ulong FourGib = 0x1_0000_0000;

    /// <summary>First address of the window below 4 GiB: a pc's firmware fills it from 2 GiB on, or from the end of RAM where there is more; elsewhere configuration space is below it.</summary>
    internal static ulong LowStartOf(MachineKind machine, ulong lowRamBytes) => machine == MachineKind.Pc ? Math.Max(1UL << 31, lowRamBytes) : LowStart;

    /// <summary>Whether a BAR of this kind decodes at this place. A guest may program any other; then the range is simply not there.</summary>
    internal static bool Accepts(PciBarKind kind, ulong start, ulong lengthBytes, ulong lowStart)
    {
        ulong last = start + (lengthBytes - 1);
        if (last < start) return false;
        if (kind == PciBarKind.Io) return start != 0 && last <= 0xffff;
        return (start >= lowStart && last <= LowEnd) || (kind == PciBarKind.Memory64 && start >= FourGib);
    }
}
