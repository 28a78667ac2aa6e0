using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;
using Hutch.Model.Domains;
using Hutch.Model.Machine;

namespace Hutch.Management.Domains.Plan;

/// <summary>
/// The machine that a domain's definition describes. What the definition asks for and no machine has is refused, not left out; what only describes the domain, or tunes what this host does not tune, has no effect.
/// </summary>
/// <param name="Machine">The machine.</param>
/// <param name="Live">The definition with what was chosen for this start: ports, sockets, places of terminals' links.</param>
/// <param name="Files">Files that must be there before it starts.</param>
internal sealed record MachinePlan(MachineDefinition Machine, DomainDefinition Live, ImmutableArray<PlanFile> Files)
{
    private const ulong KibibyteBytes = 1024, PluggableUnit = 128 << 20;

    /// <summary>Makes one of a definition whose defaults are filled in and whose devices have aliases. Throws <see cref="ManagementException"/>.</summary>
    internal static MachinePlan Of(DomainDefinition definition, PlanPlaces places)
    {
        CheckWhole(definition);
        MachineKind kind = definition.Os.Machine is { } name && name.Contains("q35", StringComparison.Ordinal) ? MachineKind.Q35 : MachineKind.Pc;
        PlanBuilder builder = new(definition, places, kind);
        bool hasHpet = definition.Clock.Timers.FirstOrDefault(static timer => timer.Name == "hpet")?.Present ?? true;
        builder.Devices.Add(new PlatformConfig("platform", kind, hasHpet));
        FirmwarePlan.Add(builder);
        ConsolePlan.Add(builder);
        DiskPlan.Add(builder);
        NetworkPlan.Add(builder);
        DisplayPlan.Add(builder);
        OtherDevicePlan.Add(builder);
        FirmwarePlan.AddBootOrder(builder);
        DomainMemory memory = definition.Memory;
        ulong pluggable = memory.MaximumKib is { } most && most > memory.TotalKib ? (most - memory.TotalKib) * KibibyteBytes / PluggableUnit * PluggableUnit : 0;
        if (pluggable != 0) builder.Devices.Add(new VirtioMemConfig("memory0"));
        MachineDefinition machine = new()
        {
            Name = places.Machine,
            MemoryBytes = memory.TotalKib * KibibyteBytes,
            PluggableBytes = pluggable,
            Cpus = TopologyOf(definition),
            AbsentVcpus = AbsentOf(definition.Vcpus),
            Cpu = ModelOf(definition),
            Engine = definition.Type == "kvm" ? EngineChoice.Kvm : EngineChoice.Software,
            Boot = definition.Os.Kernel is { } kernel ? new KernelBoot(kernel, definition.Os.Initrd, definition.Os.CommandLine ?? "") : null,
            Devices = [.. builder.Devices],
            Placement = PlacementOf(definition),
            Vnc = builder.Vnc,
            NoReboot = definition.OnReboot == "destroy",
        };
        return new MachinePlan(machine, definition with { Devices = [.. builder.Live] }, [.. builder.Files]);
    }

    /// <summary>What is refused of a definition, and how to mend it.</summary>
    internal static ManagementException Refuse(string what, string mend) => new(FailureKind.Unsupported, $"{what} is not supported; {mend}");

    private static void CheckWhole(DomainDefinition definition)
    {
        if (definition.Type is not ("qemu" or "kvm")) throw Refuse($"the domain type '{definition.Type}'", "there are qemu and kvm");
        if (definition.Os is not { Type: "hvm", Arch: null or "x86_64" }) throw Refuse($"a guest of type '{definition.Os.Type}' for {definition.Os.Arch ?? "x86_64"}", "there is hvm for x86_64");
        if (definition.Os.DeviceTree is not null) throw Refuse("a device tree", "leave <dtb> out");
        if (definition.OnPoweroff is not (null or "destroy")) throw Refuse($"on_poweroff '{definition.OnPoweroff}'", "write destroy");
        if (definition.OnReboot is not (null or "restart" or "destroy")) throw Refuse($"on_reboot '{definition.OnReboot}'", "write restart or destroy");
        if (definition.Cpu is { NumaCells.IsEmpty: false }) throw Refuse("<numa> of <cpu>", "leave the cells out");
        if (definition.Clock.Offset is not ("utc" or "localtime" or "variable")) throw Refuse($"the clock offset '{definition.Clock.Offset}'", "write utc");
    }

    private static CpuTopology TopologyOf(DomainDefinition definition)
    {
        int most = definition.Vcpus.Maximum;
        if (definition.Cpu?.Topology is not { } topology) return new CpuTopology(most, 1, 1);
        CpuTopology cpus = new(topology.Sockets, topology.Cores, topology.Threads, topology.Dies);
        return cpus.VcpuCount == most ? cpus : throw new ManagementException(FailureKind.Unsupported, $"CPU topology doesn't match maximum vcpu count: {cpus.VcpuCount} and {most}");
    }

    private static ulong AbsentOf(DomainVcpus vcpus)
    {
        const int Bits = 64;
        if (vcpus.Maximum > Bits && vcpus.Current is { } some && some < vcpus.Maximum) throw Refuse($"plugging one of more than {Bits} vCPUs", "start with all of them");
        ulong absent = 0;
        for (int index = 1; index < Math.Min(vcpus.Maximum, Bits); index++)
        {
            bool isThere = vcpus.Each.IsEmpty ? index < (vcpus.Current ?? vcpus.Maximum) : vcpus.Each.Any(one => one.Id == index && one.Enabled);
            if (!isThere) absent |= 1UL << index;
        }
        return absent;
    }

    private static CpuModel ModelOf(DomainDefinition definition)
    {
        DomainCpu cpu = definition.Cpu ?? new DomainCpu();
        string name = cpu.Mode switch { "host-passthrough" or "host-model" => "host", "maximum" => "max", _ => cpu.Model ?? "max" };
        ImmutableArray<string> added = [.. cpu.Features.Where(static feature => feature.Policy is null or "force" or "require" or "optional").Select(static feature => feature.Name)];
        ImmutableArray<string> removed = [.. cpu.Features.Where(static feature => feature.Policy is "disable" or "forbid").Select(static feature => feature.Name)];
        return new CpuModel(name, added, removed);
    }

    private static Placement PlacementOf(DomainDefinition definition)
    {
        CpuTune tune = definition.CpuTune ?? new CpuTune();
        List<VcpuPin> pins = [.. tune.VcpuPins.Select(static pin => new VcpuPin(pin.Id, HostSet.Kernel(pin.CpuSet)))];
        if (definition.Vcpus.CpuSet is { } all)
            for (int index = 0; index < definition.Vcpus.Maximum; index++)
                if (!pins.Exists(pin => pin.Vcpu == index)) pins.Add(new VcpuPin(index, HostSet.Kernel(all)));
        MemoryBacking backing = definition.MemoryBacking ?? new MemoryBacking();
        const ulong UsualHugePage = 2 << 20;
        return new Placement
        {
            VcpuPins = [.. pins],
            EmulatorCpus = (tune.EmulatorPin ?? definition.Vcpus.CpuSet) is { } cpus ? HostSet.Kernel(cpus) : null,
            HugePageBytes = !backing.HugePages ? 0 : backing.Pages.IsEmpty ? UsualHugePage : backing.Pages[0].SizeKib * KibibyteBytes,
            Mergeable = !backing.NoSharePages && !backing.HugePages && !backing.Locked,
            Locked = backing.Locked,
            Prealloc = backing.AllocationMode == "immediate",
            Numa = definition.NumaTune is not { NodeSet: { } nodes } numa ? null : numa.Mode switch
            {
                "preferred" => $"preferred:{HostSet.Kernel(nodes)}",
                "interleave" => $"interleave:{HostSet.Kernel(nodes)}",
                _ => $"bind:{HostSet.Kernel(nodes)}",
            },
        };
    }
}
