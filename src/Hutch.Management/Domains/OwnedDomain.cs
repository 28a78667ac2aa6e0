using System;
using System.Threading;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains;

/// <summary>A domain as the driver has it. Whoever changes what is kept, starts or ends it has its <see cref="Turn"/>; what it does can be read at any time.</summary>
internal sealed class OwnedDomain(string name, Guid uuid)
{
    private const ulong KibibyteBytes = 1024;

    internal string Name => name;

    internal Guid Uuid => uuid;

    /// <summary>One change at a time.</summary>
    internal SemaphoreSlim Turn { get; } = new(1, 1);

    /// <summary>What is kept; null: it is transient.</summary>
    internal volatile KeptDomain? Kept;

    /// <summary>Its machine; null: it has none.</summary>
    internal volatile RunningMachine? Running;

    /// <summary>Why it has no machine.</summary>
    internal volatile DomainCause OffCause;

    /// <summary>What it does now.</summary>
    internal Domain Look()
    {
        KeptDomain? kept = Kept;
        if (Running is not { } running)
        {
            DomainDefinition definition = kept?.Definition ?? new DomainDefinition();
            return new Domain(name, uuid, DomainState.ShutOff)
            {
                Cause = OffCause,
                Vcpus = definition.Vcpus.Current ?? definition.Vcpus.Maximum,
                MostVcpus = definition.Vcpus.Maximum,
                MemoryBytes = (definition.Memory.CurrentKib ?? definition.Memory.TotalKib) * KibibyteBytes,
                MostMemoryBytes = definition.Memory.TotalKib * KibibyteBytes,
                IsPersistent = kept is not null,
                Autostart = kept?.Autostart == true,
            };
        }
        return new Domain(name, uuid, running.State)
        {
            Id = running.Process,
            Cause = running.Cause,
            Reason = running.Reason,
            Vcpus = running.Status.Vcpus,
            MostVcpus = running.Definition?.Vcpus.Maximum ?? running.Status.Vcpus,
            MemoryBytes = running.Status.MemoryBytes,
            MostMemoryBytes = running.Definition is { } live ? live.Memory.TotalKib * KibibyteBytes : running.Status.MemoryBytes,
            CpuNanoseconds = ProcessTime.Of(running.Process),
            IsPersistent = kept is not null,
            Autostart = kept?.Autostart == true,
        };
    }
}
