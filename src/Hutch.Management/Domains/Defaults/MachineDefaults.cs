using System;
using System.Linq;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>What a domain has beside its devices.</summary>
internal static class MachineDefaults
{
    internal static DomainDefinition Fill(DomainDefinition domain, DefaultsSource source)
    {
        if (domain.Os.Type != "hvm") throw DomainDefaults.Unsupported($"os type '{domain.Os.Type}' of domain '{domain.Name}' is not supported; use hvm");
        if (domain.Os.Arch is not (null or "x86_64" or "i686")) throw DomainDefaults.Unsupported($"architecture '{domain.Os.Arch}' of domain '{domain.Name}' is not supported; use x86_64");
        if (domain.Type is not ("qemu" or "kvm")) throw DomainDefaults.Unsupported($"domain type '{domain.Type}' of domain '{domain.Name}' is not supported; use qemu or kvm");
        ulong cells = domain.Cpu is { } said ? said.NumaCells.Aggregate(0UL, static (sum, cell) => sum + cell.MemoryKib) : 0;
        ulong total = domain.Memory.TotalKib != 0 ? domain.Memory.TotalKib : cells;
        if (total == 0) throw DomainDefaults.Bad($"Memory size of domain '{domain.Name}' must be specified via <memory> or in the <numa> configuration");
        return domain with
        {
            Uuid = domain.Uuid == Guid.Empty ? source.NewUuid() : domain.Uuid,
            GenerationId = domain.GenerationId == Guid.Empty ? source.NewUuid() : domain.GenerationId,
            Memory = domain.Memory with { TotalKib = total, CurrentKib = Math.Min(domain.Memory.CurrentKib is null or 0 ? total : domain.Memory.CurrentKib.Value, total) },
            Vcpus = domain.Vcpus with { Placement = domain.Vcpus.Placement ?? "static", Current = domain.Vcpus.Current == domain.Vcpus.Maximum ? null : domain.Vcpus.Current },
            Os = Fill(domain, domain.Os, source),
            Cpu = Fill(domain.Cpu, domain.Type),
            OnPoweroff = domain.OnPoweroff ?? "destroy",
            OnReboot = domain.OnReboot ?? "restart",
            OnCrash = domain.OnCrash ?? "destroy",
            Emulator = domain.Emulator ?? source.Emulator,
        };
    }

    private static DomainOs Fill(DomainDefinition domain, DomainOs os, DefaultsSource source)
    {
        bool isBootSaid = !os.BootDevices.IsEmpty || domain.Devices.Any(static device => device.BootOrder is not null);
        if (!os.BootDevices.IsEmpty && domain.Devices.Any(static device => device.BootOrder is not null)) throw DomainDefaults.Unsupported("per-device boot elements cannot be used together with os/boot elements");
        return os with
        {
            Arch = os.Arch ?? "x86_64",
            Machine = os.Machine switch { null or "pc" => source.PcMachine, "q35" => source.ExpressMachine, { } said => said },
            BootDevices = isBootSaid ? os.BootDevices : ["hd"],
            BootMenuTimeoutMs = os.BootMenu == true ? os.BootMenuTimeoutMs : null,
        };
    }

    private static DomainCpu Fill(DomainCpu? cpu, string type)
    {
        if (cpu is null) return new DomainCpu { Mode = "custom", Match = "exact", Check = "none", Model = "qemu64", Fallback = "forbid" };
        string mode = cpu.Mode ?? "custom";
        cpu = cpu with
        {
            Mode = mode,
            Features = [.. cpu.Features.Select(static feature => feature with { Policy = feature.Policy ?? "require" })],
            NumaCells = [.. cpu.NumaCells.Select(static (cell, place) => cell with { Id = cell.Id ?? place })],
        };
        return mode switch
        {
            // Only a topology or nodes are said.
            "custom" when cpu.Model is null => cpu with { Match = cpu.Match ?? "exact", Check = cpu.Check ?? "none", Model = "qemu64", Fallback = cpu.Fallback ?? "forbid" },
            "custom" => cpu with { Match = cpu.Match ?? "exact", Check = cpu.Check ?? (type == "qemu" ? "none" : "partial"), Fallback = cpu.Fallback ?? "allow" },
            "host-model" => cpu with { Check = cpu.Check ?? "partial" },
            _ => cpu with { Check = cpu.Check ?? "none", Migratable = cpu.Migratable ?? true },
        };
    }
}
