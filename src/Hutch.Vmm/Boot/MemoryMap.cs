using Hutch.Core.Memory;

namespace Hutch.Vmm.Boot;

/// <summary>Kind of a range of the physical address space, with the numbers of the BIOS's E820 call (ACPI 6.5 §15.1).</summary>
internal enum MemoryKind
{
    /// <summary>The kernel may use it.</summary>
    Usable = 1,

    /// <summary>The kernel keeps out.</summary>
    Reserved = 2,
}

/// <summary>One entry of the memory map.</summary>
/// <param name="Start">Guest physical address.</param>
/// <param name="LengthBytes">Length in bytes.</param>
/// <param name="Kind">What is there.</param>
internal sealed record MemoryRange(ulong Start, ulong LengthBytes, MemoryKind Kind);

/// <summary>The memory map that every boot protocol hands over.</summary>
internal static class MemoryMap
{
    /// <summary>Describes the machine's RAM and the reserved ranges of a PC, in address order.</summary>
    /// <param name="memory">Guest RAM.</param>
    /// <param name="configStart">First address of the PCI configuration window; 0: there is none.</param>
    /// <param name="configBytes">Its length in bytes.</param>
    internal static MemoryRange[] Describe(GuestMemory memory, ulong configStart, ulong configBytes)
    {
        MemoryRange low = new(0, BootLayout.LowRamEnd, MemoryKind.Usable);
        // The extended BIOS data area, the display window and the firmware's tables.
        MemoryRange hole = new(BootLayout.LowRamEnd, BootLayout.HighRamStart - BootLayout.LowRamEnd, MemoryKind.Reserved);
        MemoryRange main = new(BootLayout.HighRamStart, memory.LowBytes - BootLayout.HighRamStart, MemoryKind.Usable);
        MemoryRange[] config = configStart == 0 ? [] : [new(configStart, configBytes, MemoryKind.Reserved)];
        MemoryRange[] high = memory.BootHighBytes == 0 ? [] : [new(GuestMemory.HighMemoryStart, memory.BootHighBytes, MemoryKind.Usable)];
        return [low, hole, main, .. config, .. high];
    }
}
