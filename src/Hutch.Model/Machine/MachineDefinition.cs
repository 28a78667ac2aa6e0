using System.Collections.Immutable;

namespace Hutch.Model.Machine;

/// <summary>Everything the VM process needs to build and run one machine.</summary>
public sealed record MachineDefinition
{
    /// <summary>Name, shown in messages and thread names.</summary>
    public required string Name { get; init; }

    /// <summary>Guest RAM in bytes, a multiple of 4096.</summary>
    public required ulong MemoryBytes { get; init; }

    /// <summary>Memory that can be plugged in besides while the guest runs, in bytes, a multiple of 128 MiB; 0: none.</summary>
    public ulong PluggableBytes { get; init; }

    /// <summary>Number and arrangement of all vCPUs that the machine can have.</summary>
    public required CpuTopology Cpus { get; init; }

    /// <summary>Those of them that are not plugged in: a bit for each, that of vCPU 0 clear.</summary>
    public ulong AbsentVcpus { get; init; }

    /// <summary>The guest's NUMA nodes, which all vCPUs and all memory that it has from the start belong to; empty: it has none.</summary>
    public ImmutableArray<NumaNode> NumaNodes { get; init; } = [];

    /// <summary>Distances between them that are not 20.</summary>
    public ImmutableArray<NumaDistance> NumaDistances { get; init; } = [];

    /// <summary>How fast nodes reach memory; empty: the guest is not told.</summary>
    public ImmutableArray<NumaAccess> NumaAccesses { get; init; } = [];

    /// <summary>CPU model.</summary>
    public required CpuModel Cpu { get; init; }

    /// <summary>Which engine executes guest code.</summary>
    public required EngineChoice Engine { get; init; }

    /// <summary>The kernel that the machine starts from; null: firmware, which is one of the devices.</summary>
    public required KernelBoot? Boot { get; init; }

    /// <summary>The devices, in the order in which they are created.</summary>
    public required ImmutableArray<DeviceConfig> Devices { get; init; }

    /// <summary>Texts for software in the guest, as OEM strings of SMBIOS (SMBIOS 3.6 §7.12): systemd takes credentials from there.</summary>
    public ImmutableArray<string> OemStrings { get; init; } = [];

    /// <summary>Where it runs on its host.</summary>
    public Placement Placement { get; init; } = Placement.Anywhere;

    /// <summary>Where its screen is served; null: nowhere.</summary>
    public VncConfig? Vnc { get; init; }

    /// <summary>A guest reset ends the process with status 0 instead of restarting the machine.</summary>
    public bool NoReboot { get; init; }

    /// <summary>Messages of the VM process are JSON lines.</summary>
    public bool Json { get; init; }
}

/// <summary>Direct boot of a kernel image.</summary>
/// <param name="KernelPath">bzImage, ELF, PVH or multiboot image.</param>
/// <param name="InitrdPath">Initial RAM disk, or null.</param>
/// <param name="CommandLine">Kernel command line.</param>
public sealed record KernelBoot(string KernelPath, string? InitrdPath, string CommandLine);

/// <summary>The user's choice of engine.</summary>
public enum EngineChoice
{
    /// <summary>Hardware where it can run the guest, else software.</summary>
    Auto,

    /// <summary>/dev/kvm, or an error.</summary>
    Kvm,

    /// <summary>The software engine.</summary>
    Software,
}
