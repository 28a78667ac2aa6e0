using System;
using System.Collections.Immutable;
using Hutch.Core.Cpuid;
using Hutch.Core.Engine;
using Hutch.Core.Interrupts;
using Hutch.Core.Memory;
using Hutch.Host.Linux;
using Hutch.Kvm.Abi;
using Hutch.Kvm.Dirty;
using Hutch.Kvm.State;
using Hutch.Model.Machine;

namespace Hutch.Kvm;

/// <summary>
/// One machine of KVM: memory slots, the split irqchip (local APICs in the kernel; IOAPIC, PIC and PIT are devices of ours), vCPUs.
/// </summary>
internal sealed class KvmMachine : IVirtualMachine
{
    // Intel's processors need a page table and a task segment in memory for real mode; both lie between the local APICs and the firmware, where a PC has nothing.
    internal const ulong IdentityMap = 0xfeff_c000, TaskSegment = 0xfeff_d000;
    private const ulong Use32BitApicIds = 1;

    // What drivers write to a virtio queue's doorbell (virtio 1.2 §4.1.5.2).
    private const uint NotifyBytes = 2;

    private readonly KvmVcpu[] _vcpus;
    private readonly uint _dirtyRingBytes;

    /// <summary>Creates the machine with all vCPUs at reset. Throws <see cref="CpuModelException"/> or <see cref="LinuxException"/>.</summary>
    /// <param name="hypervisor">The engine.</param>
    /// <param name="memory">Guest RAM.</param>
    /// <param name="topology">Arrangement of vCPUs.</param>
    /// <param name="model">CPU model.</param>
    /// <param name="dirtyRingBytes">Length of a dirty ring for each vCPU, a power of two; 0: the dirty log is a bitmap.</param>
    internal KvmMachine(KvmHypervisor hypervisor, GuestMemory memory, CpuTopology topology, CpuModel model, uint dirtyRingBytes = 0)
    {
        _dirtyRingBytes = dirtyRingBytes;
        Hypervisor = hypervisor;
        Topology = topology;
        Cpuid = new CpuidTable(model, topology, hypervisor.Cpuid);
        CheckCount(hypervisor.Capabilities, topology.VcpuCount);
        Vm = hypervisor.System.CreateMachine("The machine in KVM");
        _vcpus = new KvmVcpu[topology.VcpuCount];
        try
        {
            SetUpChips(hypervisor.Capabilities);
            Slots = new KvmSlots(Vm, memory);
            for (int index = 0; index < _vcpus.Length; index++) _vcpus[index] = new KvmVcpu(this, index);
            foreach (KvmVcpu vcpu in _vcpus) vcpu.SetUp();
            Router = new KvmInterruptRouter(Vm, _vcpus[0]);
            Clock = new KvmMachineClock(this);
            DirtyLog = dirtyRingBytes == 0 ? new DirtyBitmap(this, memory) : Ring = new DirtyRing(this, memory, dirtyRingBytes);
            Doorbells = new KvmDoorbells(Vm, hypervisor.Capabilities[KvmCap.IoeventfdAnyLength] != 0 ? 0u : NotifyBytes);
        }
        catch
        {
            Dispose();
            throw;
        }
        Vcpus = [.. _vcpus];
    }

    /// <summary>The engine.</summary>
    internal KvmHypervisor Hypervisor { get; }

    /// <summary>Arrangement of the vCPUs, which their APIC ids follow.</summary>
    internal CpuTopology Topology { get; }

    /// <summary>The machine's descriptor.</summary>
    internal KvmDescriptor Vm { get; }

    /// <summary>CPUID of the vCPUs.</summary>
    internal CpuidTable Cpuid { get; }

    /// <inheritdoc/>
    public GuestCpu Cpu => Cpuid.Describe();

    /// <summary>Guest memory as KVM knows it.</summary>
    internal KvmSlots Slots { get; } = null!;

    /// <summary>Interrupts and routes.</summary>
    internal KvmInterruptRouter Router { get; } = null!;

    /// <summary>The guest's clocks.</summary>
    internal KvmMachineClock Clock { get; } = null!;

    /// <inheritdoc/>
    public ImmutableArray<IVcpu> Vcpus { get; }

    /// <inheritdoc/>
    public IInterruptRouter Interrupts => Router;

    /// <inheritdoc/>
    public IDoorbellRegistry? Doorbells { get; }

    /// <inheritdoc/>
    public IDirtyLog? DirtyLog { get; }

    /// <summary>The dirty log as rings, or null.</summary>
    internal DirtyRing? Ring { get; }

    /// <inheritdoc/>
    public MachineClock SaveClock() => Clock.Save();

    /// <inheritdoc/>
    public void RestoreClock(MachineClock clock) => Clock.Restore(clock);

    /// <summary>The vCPUs as what they are.</summary>
    internal ReadOnlySpan<KvmVcpu> KvmVcpus => _vcpus;

    /// <inheritdoc/>
    public void Dispose()
    {
        Ring?.Dispose();
        foreach (KvmVcpu? vcpu in _vcpus) vcpu?.Dispose();
        Slots?.Dispose();
        Vm.Dispose();
    }

    private static void CheckCount(KvmCapabilities capabilities, int count)
    {
        int most = Math.Max(capabilities[KvmCap.MaxVcpus], capabilities[KvmCap.NrVcpus]);
        if (count > most) throw new KvmUnavailableException($"This kernel's KVM gives a machine at most {most} vCPUs and {count} are asked for; give fewer with --cpus.");
    }

    private void SetUpChips(KvmCapabilities capabilities)
    {
        ulong identityMap = IdentityMap;
        Vm.Call(KvmIoctl.SetIdentityMapAddr, "KVM_SET_IDENTITY_MAP_ADDR", ref identityMap);
        Vm.Call(KvmIoctl.SetTssAddr, "KVM_SET_TSS_ADDR", (nuint)TaskSegment);
        Enable(KvmCap.SplitIrqchip, KvmInterruptRouter.IoapicPins);
        if (capabilities[KvmCap.X2apicApi] != 0) Enable(KvmCap.X2apicApi, Use32BitApicIds);
        if (capabilities[KvmCap.ExitOnEmulationFailure] != 0) Enable(KvmCap.ExitOnEmulationFailure, 1);
        if (_dirtyRingBytes != 0) Enable(DirtyRing.Capability(capabilities), _dirtyRingBytes);
        else if (capabilities.HasManualDirtyProtection) Enable(KvmCap.ManualDirtyLogProtect2, 1);
    }

    private void Enable(KvmCap cap, ulong argument)
    {
        KvmEnableCap enable = new() { Cap = cap, Argument0 = argument };
        Vm.Call(KvmIoctl.EnableCap, $"KVM_ENABLE_CAP {cap}", ref enable);
    }
}
