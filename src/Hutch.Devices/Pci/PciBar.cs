using Hutch.Core.Bus;

namespace Hutch.Devices.Pci;

/// <summary>What address space a BAR decodes.</summary>
internal enum PciBarKind
{
    /// <summary>I/O ports.</summary>
    Io,

    /// <summary>Memory below 4 GiB.</summary>
    Memory32,

    /// <summary>Memory anywhere; takes two BAR registers.</summary>
    Memory64,
}

/// <summary>One base address register and the range behind it. Changed only under the bus's configuration lock.</summary>
internal sealed class PciBar
{
    internal PciBar(int index, PciBarKind kind, ulong lengthBytes, IBusDevice device)
    {
        Index = index;
        Kind = kind;
        LengthBytes = lengthBytes;
        Device = device;
    }

    /// <summary>The number of the expansion ROM, among those of the base address registers.</summary>
    internal const int RomIndex = 6;

    /// <summary>Register number, 0 to 5, or <see cref="RomIndex"/>.</summary>
    internal int Index { get; }

    internal PciBarKind Kind { get; }

    /// <summary>A power of two; at least 16 for memory, 4 for I/O.</summary>
    internal ulong LengthBytes { get; }

    internal IBusDevice Device { get; }

    /// <summary>Offset of the (low) register in configuration space.</summary>
    internal int Register => IsRom ? PciRegisters.RomAddress : PciRegisters.Bar0 + (4 * Index);

    /// <summary>It is the expansion ROM, which has an enable of its own.</summary>
    internal bool IsRom => Index == RomIndex;

    /// <summary>The range on the bus; null until the function is attached.</summary>
    internal BusRegion? Region { get; set; }

    /// <summary>Where resource assignment put the range; a platform reset returns to it, because no firmware would.</summary>
    internal ulong BootAddress { get; set; }
}
