using System.Collections.Generic;
using System.Linq;
using Hutch.Core.Engine;

namespace Hutch.Vmm.Run;

/// <summary>
/// The threads of the vCPUs that are plugged in. The engine has all vCPUs that there can be from the start; one that is absent has no thread, and its local APIC is switched off
/// (Intel SDM 3A §11.4.3), so that no INIT, start-up or interrupt reaches it. The state driver changes them while the machine is stopped; any thread may look.
/// </summary>
internal sealed class VcpuThreads
{
    private const uint ApicBase = 0x1b;
    private const ulong ApicEnabled = 1 << 11;

    private readonly IVirtualMachine _cpus;
    private readonly IVcpuExits _exits;
    private readonly Mailbox _mailbox;
    private volatile VcpuThread[] _present = [];

    /// <summary>Starts the threads, parked.</summary>
    /// <param name="cpus">The engine's machine, at reset.</param>
    /// <param name="absent">vCPUs that are not plugged in: a bit for each.</param>
    /// <param name="exits">Where their accesses go.</param>
    /// <param name="mailbox">Where they report.</param>
    internal VcpuThreads(IVirtualMachine cpus, ulong absent, IVcpuExits exits, Mailbox mailbox)
    {
        (_cpus, _exits, _mailbox) = (cpus, exits, mailbox);
        foreach (IVcpu vcpu in cpus.Vcpus)
        {
            if (vcpu.Index < 64 && (absent >> vcpu.Index & 1) != 0) SwitchOff(vcpu);
            else Begin(vcpu);
        }
    }

    /// <summary>The threads, by the numbers of their vCPUs. Any thread.</summary>
    internal IReadOnlyList<VcpuThread> Present => _present;

    /// <summary>How many there can be.</summary>
    internal int Most => _cpus.Vcpus.Length;

    /// <summary>The thread of a vCPU, or null while it is absent. Any thread.</summary>
    internal VcpuThread? Find(int index) => _present.FirstOrDefault(thread => thread.Index == index);

    /// <summary>Plugs an absent vCPU in: it waits for its start-up, as after power-on.</summary>
    internal VcpuThread Add(int index)
    {
        _cpus.Vcpus[index].Reset();
        return Begin(_cpus.Vcpus[index]);
    }

    /// <summary>Takes a vCPU out.</summary>
    internal void Remove(int index)
    {
        if (Find(index) is not { } thread) return;
        _present = [.. _present.Where(each => each != thread)];
        thread.End();
        SwitchOff(_cpus.Vcpus[index]);
    }

    /// <summary>Every vCPU back to power-on.</summary>
    internal void Reset()
    {
        foreach (IVcpu vcpu in _cpus.Vcpus)
        {
            if (Find(vcpu.Index) is null) SwitchOff(vcpu);
            else vcpu.Reset();
        }
    }

    /// <summary>Lets the vCPUs run.</summary>
    internal void Resume()
    {
        foreach (VcpuThread thread in _present) thread.Resume();
    }

    /// <summary>Returns when none runs. All are asked before one is waited for.</summary>
    internal void Pause()
    {
        foreach (VcpuThread thread in _present) thread.RequestPause();
        foreach (VcpuThread thread in _present) thread.WaitParked();
    }

    /// <summary>Ends the parked threads.</summary>
    internal void End()
    {
        foreach (VcpuThread thread in _present) thread.End();
    }

    private VcpuThread Begin(IVcpu vcpu)
    {
        VcpuThread thread = new(vcpu, _exits, _mailbox);
        _present = [.. _present.Append(thread).OrderBy(static each => each.Index)];
        return thread;
    }

    private static void SwitchOff(IVcpu vcpu)
    {
        vcpu.Reset();
        X86VcpuState state = new();
        vcpu.SaveRegisters(state);
        if (state.Msrs.TryGetValue(ApicBase, out ulong value)) state.Msrs[ApicBase] = value & ~ApicEnabled;
        vcpu.RestoreRegisters(state);
    }
}
