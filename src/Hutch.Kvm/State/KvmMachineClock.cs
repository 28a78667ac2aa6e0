using System;
using System.Collections.Immutable;
using Hutch.Core.Engine;
using Hutch.Core.State;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm.State;

/// <summary>kvm-clock and the TSCs of a machine whose vCPUs are stopped.</summary>
internal sealed class KvmMachineClock(KvmMachine machine)
{
    private const uint Tsc = 0x10;

    // A part of this many is not worth scaling: guests synchronise their clocks over a network to less.
    private const ulong SmallDeviation = 4000;

    /// <summary>Reads them, one right after the other.</summary>
    internal MachineClock Save()
    {
        KvmClockData clock = default;
        machine.Vm.Call(KvmIoctl.GetClock, "KVM_GET_CLOCK", ref clock);
        ImmutableArray<ulong>.Builder counters = ImmutableArray.CreateBuilder<ulong>(machine.KvmVcpus.Length);
        foreach (KvmVcpu vcpu in machine.KvmVcpus)
        {
            vcpu.Msrs.TryRead(Tsc, out ulong value);
            counters.Add(value);
        }
        return new MachineClock(clock.Clock, Frequency(machine.KvmVcpus[0]), Align(counters));
    }

    /// <summary>Sets them. The kernel takes writes of nearly equal values at nearly the same time as one write to all.</summary>
    internal void Restore(MachineClock clock)
    {
        ReadOnlySpan<KvmVcpu> vcpus = machine.KvmVcpus;
        if (clock.Tsc.Length != vcpus.Length) throw new StateException($"The state has the time stamp counters of {clock.Tsc.Length} vCPUs and the machine has {vcpus.Length}.");
        foreach (KvmVcpu vcpu in vcpus) SetFrequency(vcpu, clock.TscKhz);
        for (int i = 0; i < vcpus.Length; i++)
            if (!vcpus[i].Msrs.TryWrite(Tsc, clock.Tsc[i])) throw new StateException($"KVM refuses the time stamp counter of vCPU {i}.");
        KvmClockData data = new() { Clock = clock.Nanoseconds };
        machine.Vm.Call(KvmIoctl.SetClock, "KVM_SET_CLOCK", ref data);
    }

    // What lies within the time between two readings is one counter: the vCPUs were made together.
    private static ImmutableArray<ulong> Align(ImmutableArray<ulong>.Builder counters)
    {
        const ulong ReadingsApart = 10_000_000;
        for (int i = 1; i < counters.Count; i++)
            if (counters[i] - counters[0] < ReadingsApart) counters[i] = counters[0];
        return counters.ToImmutable();
    }

    private static ulong Frequency(KvmVcpu vcpu) => (ulong)vcpu.Descriptor.Call(KvmIoctl.GetTscKhz, "KVM_GET_TSC_KHZ");

    private void SetFrequency(KvmVcpu vcpu, ulong khz)
    {
        ulong own = Frequency(vcpu);
        if ((khz > own ? khz - own : own - khz) <= own / SmallDeviation) return;
        if (machine.Hypervisor.Capabilities[KvmCap.TscControl] == 0)
        {
            // The software engine's number is a measurement, the kernel's another one.
            if (MachineClock.IsFrequencyOf(own, khz)) return;
            throw new StateException($"The guest's time stamp counter runs at {khz} kHz and this host's at {own} kHz, which its processor cannot scale; use a host like the first.");
        }
        vcpu.Descriptor.Call(KvmIoctl.SetTscKhz, "KVM_SET_TSC_KHZ", (nuint)khz);
    }
}
