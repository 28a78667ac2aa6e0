using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Devices;

namespace Hutch.Vmm.Boot;

/// <summary>The machine as a loader sees it: the memory to fill, the boot processor to point, and what the guest is to be told.</summary>
internal sealed class BootTarget
{
    /// <summary>Guest RAM, all zero but for the firmware tables.</summary>
    internal required GuestMemory Memory { get; init; }

    /// <summary>Registers of the boot processor: after reset on entry, at the kernel's entry point on return.</summary>
    internal required X86VcpuState Cpu { get; init; }

    /// <summary>The memory map.</summary>
    internal required MemoryRange[] Map { get; init; }

    /// <summary>Address of the ACPI root pointer; 0: none.</summary>
    internal required ulong RootPointer { get; init; }

    /// <summary>Kernel command line.</summary>
    internal required string CommandLine { get; init; }

    /// <summary>Initial RAM disk, or null.</summary>
    internal ImageSource? Initrd { get; init; }

    /// <summary>The picture that a kernel finds, or null.</summary>
    internal LinearMode? Screen { get; init; }

    /// <summary>32 bytes of entropy for the kernel's generator, fresh for each boot.</summary>
    internal required byte[] RandomSeed { get; init; }
}
