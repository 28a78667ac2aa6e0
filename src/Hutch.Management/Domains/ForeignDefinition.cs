using Hutch.Model.Domains;

namespace Hutch.Management.Domains;

/// <summary>What is known of a machine that was started beside the daemon, as a definition.</summary>
internal static class ForeignDefinition
{
    private const ulong KibibyteBytes = 1024;

    internal static DomainDefinition Of(OwnedDomain domain, RunningMachine running) => new()
    {
        Type = running.Status.Engine == "kvm" ? "kvm" : "qemu",
        Name = domain.Name,
        Uuid = domain.Uuid,
        Description = "Started by 'hutch run'; it is gone when it ends.",
        Memory = new DomainMemory { TotalKib = running.Status.MemoryBytes / KibibyteBytes, CurrentKib = running.Status.MemoryBytes / KibibyteBytes },
        Vcpus = new DomainVcpus { Maximum = running.Status.Vcpus, Placement = "static" },
        Os = new DomainOs { Arch = "x86_64" },
        OnPoweroff = "destroy",
        OnReboot = "restart",
        OnCrash = "destroy",
    };
}
