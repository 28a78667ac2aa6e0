using Hutch.Core.Cpuid;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Host.Linux;
using Hutch.Kvm.Abi;
using Hutch.Kvm.Cpuid;
using Hutch.Model.Machine;
using Hutch.Model.Processor;

namespace Hutch.Kvm;

/// <summary>The hardware engine: machines whose CPUs are those of Linux's KVM. Any thread.</summary>
public sealed class KvmHypervisor : IHypervisor
{
    private KvmHypervisor(KvmDescriptor system)
    {
        System = system;
        Capabilities = new KvmCapabilities(system);
        VcpuMapBytes = (nuint)system.Call(KvmIoctl.GetVcpuMmapSize, "KVM_GET_VCPU_MMAP_SIZE");
        Cpuid = KvmCpuid.Query(system, Capabilities);
        Msrs = KvmMsrList.Query(system);
    }

    /// <inheritdoc/>
    public string Name => "kvm";

    /// <inheritdoc/>
    public bool PrefersHugePages => true;

    /// <summary>The descriptor of /dev/kvm.</summary>
    internal KvmDescriptor System { get; }

    /// <summary>What this kernel offers.</summary>
    internal KvmCapabilities Capabilities { get; }

    /// <summary>Length of a vCPU's mapping in bytes.</summary>
    internal nuint VcpuMapBytes { get; }

    /// <summary>CPUID as far as KVM can give it to guests.</summary>
    internal EngineCpuid Cpuid { get; }

    /// <summary>What CPUs the engine can give guests on this host.</summary>
    public CpuOffer OfferCpu() => Cpuid.Offer();

    /// <summary>MSRs that KVM says belong to a vCPU's state.</summary>
    internal uint[] Msrs { get; }

    /// <summary>Opens KVM and checks it. Throws <see cref="KvmUnavailableException"/> with the reason and what helps.</summary>
    /// <param name="calls">The system calls; null: the real ones.</param>
    public static KvmHypervisor Open(IDeviceCalls? calls = null)
    {
        KvmDescriptor system = KvmDevice.Open(calls ?? new DeviceCalls());
        try
        {
            return new KvmHypervisor(system);
        }
        catch
        {
            system.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public IVirtualMachine CreateMachine(GuestMemory memory, CpuTopology topology, CpuModel model) => new KvmMachine(this, memory, topology, model);

    /// <inheritdoc/>
    public void Dispose() => System.Dispose();
}
