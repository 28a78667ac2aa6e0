using System;
using System.Collections.Immutable;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Host.Scheduling;
using Hutch.Management;
using Hutch.Management.Domains;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Procedures;

/// <summary>vCPUs of a definition and their host CPUs: what <c>--config</c> asks for and changes, and what there is of a domain that does not run.</summary>
internal static class KeptPlacement
{
    // virDomainModificationImpact.
    private const uint Live = 1, Config = 2;

    /// <summary>Whether a call is about the machine that runs. Throws <see cref="ManagementException"/> where there is none, or no definition.</summary>
    internal static async ValueTask<bool> IsLiveAsync(IDomainDriver domains, Call call, Protocol.Domain asked, uint flags)
    {
        Domain domain = await domains.FindAsync(DomainProcedures.ContextOf(call), asked.Uuid).ConfigureAwait(false);
        if ((flags & Live) != 0 && !domain.IsActive) throw new ManagementException(FailureKind.WrongState, "domain is not running");
        if ((flags & Config) != 0 && !domain.IsPersistent) throw new ManagementException(FailureKind.WrongState, "transient domains do not have any persistent config");
        return (flags & Config) == 0 && domain.IsActive;
    }

    /// <summary>Whether a change is about the definition too.</summary>
    internal static async ValueTask<bool> IsKeptAsync(IDomainDriver domains, Call call, Protocol.Domain asked, uint flags) =>
        (flags & Config) != 0 || !await IsLiveAsync(domains, call, asked, flags).ConfigureAwait(false);

    /// <summary>The definition that is kept.</summary>
    internal static ValueTask<DomainDefinition> DescribeAsync(IDomainDriver domains, Call call, Protocol.Domain asked) =>
        domains.DescribeAsync(DomainProcedures.ContextOf(call), asked.Uuid, isKept: true);

    /// <summary>Keeps another definition.</summary>
    internal static async ValueTask ChangeAsync(IDomainDriver domains, Call call, Protocol.Domain asked, Func<DomainDefinition, DomainDefinition> change) =>
        await domains.DefineAsync(DomainProcedures.ContextOf(call), change(await DescribeAsync(domains, call, asked).ConfigureAwait(false))).ConfigureAwait(false);

    /// <summary>The same definition with a vCPU on these host CPUs.</summary>
    internal static DomainDefinition WithPin(DomainDefinition definition, int vcpu, CpuSet cpus)
    {
        if (vcpu < 0 || vcpu >= definition.Vcpus.Maximum) throw new ManagementException(FailureKind.BadArgument, $"vcpu {vcpu} is out of range of persistent cpu count {definition.Vcpus.Maximum}");
        CpuTune tune = definition.CpuTune ?? new CpuTune();
        ImmutableArray<ThreadPin> pins = [.. tune.VcpuPins.Where(pin => pin.Id != vcpu).Append(new ThreadPin(vcpu, cpus.ToString()!)).OrderBy(static pin => pin.Id)];
        return definition with { CpuTune = tune with { VcpuPins = pins } };
    }

    /// <summary>The same definition with the threads that are no vCPUs on these host CPUs.</summary>
    internal static DomainDefinition WithEmulatorPin(DomainDefinition definition, CpuSet cpus) => definition with { CpuTune = (definition.CpuTune ?? new CpuTune()) with { EmulatorPin = cpus.ToString() } };

    /// <summary>Host CPUs of a vCPU; null: all.</summary>
    internal static string? PinOf(DomainDefinition definition, int vcpu) => definition.CpuTune?.VcpuPins.FirstOrDefault(pin => pin.Id == vcpu)?.CpuSet ?? definition.Vcpus.CpuSet;
}
