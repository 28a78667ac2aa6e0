using System;
using System.Collections.Immutable;
using System.Linq;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Core.Interrupts;
using Hutch.Core.State;
using Hutch.Host.Linux;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Engines;

/// <summary>
/// A machine on one engine that can move to another, with all of its vCPUs, while it is stopped: the same guest memory, the same devices, the same
/// vCPU threads. The first engine's machine stays until the end, for devices may still hold doorbells of it, which then nobody rings: stores arrive as accesses.
/// </summary>
internal sealed class HandoverMachine : IVirtualMachine
{
    private readonly IVirtualMachine _first;
    private readonly Func<GuestCpu, IVirtualMachine> _createSecond;
    private readonly Action<string> _say;
    private readonly ImmutableArray<HandoverVcpu> _vcpus;
    private readonly HandoverRouter _router;
    private IVirtualMachine? _prepared, _second;

    /// <param name="first">The machine that begins; owned.</param>
    /// <param name="createSecond">Makes the other engine's machine with a CPU that the guest cannot tell from the one it has; throws <see cref="CpuModelException"/>.</param>
    /// <param name="say">Tells the user of the change.</param>
    internal HandoverMachine(IVirtualMachine first, Func<GuestCpu, IVirtualMachine> createSecond, Action<string> say)
    {
        (_first, _createSecond, _say) = (first, createSecond, say);
        _vcpus = [.. first.Vcpus.Select(vcpu => new HandoverVcpu(vcpu))];
        Vcpus = [.. _vcpus];
        _router = new HandoverRouter(first.Interrupts);
    }

    /// <summary>The other engine runs it. Any thread.</summary>
    internal bool IsHandedOver => Volatile.Read(ref _second) is not null;

    /// <inheritdoc/>
    public ImmutableArray<IVcpu> Vcpus { get; }

    /// <inheritdoc/>
    public IInterruptRouter Interrupts => _router;

    /// <inheritdoc/>
    public IDoorbellRegistry? Doorbells => _first.Doorbells;

    /// <inheritdoc/>
    public IDirtyLog? DirtyLog => Current.DirtyLog;

    /// <inheritdoc/>
    public GuestCpu Cpu => Current.Cpu;

    private IVirtualMachine Current => _second ?? _first;

    /// <inheritdoc/>
    public MachineClock SaveClock() => Current.SaveClock();

    /// <inheritdoc/>
    public void RestoreClock(MachineClock clock) => Current.RestoreClock(clock);

    /// <inheritdoc/>
    public ClockPair? ReadClocks() => Current.ReadClocks();

    /// <summary>
    /// Makes the other engine's machine. Null: it is there. Otherwise why it cannot be. The guest may run: this takes a while, for an engine measures its clock.
    /// </summary>
    internal string? Prepare()
    {
        if (IsHandedOver) return "it was handed over before.";
        try
        {
            GuestCpu cpu = _first.Cpu;
            _prepared ??= _createSecond(cpu);
            GuestCpuMatch.Check(cpu, _prepared.Cpu);
            _ = _prepared.SaveClock();
            return null;
        }
        catch (Exception unfit) when (unfit is StateException or CpuModelException or LinuxException)
        {
            return unfit.Message;
        }
    }

    /// <summary>Moves the stopped machine, which is prepared. Null: it was done. Otherwise why not; then nothing has changed.</summary>
    /// <param name="clock">The guest's clocks when it was stopped.</param>
    /// <param name="cause">What the first engine could not do, for the user.</param>
    internal string? HandOver(MachineClock clock, string cause)
    {
        IVirtualMachine second = _prepared ?? throw new InvalidOperationException("The other engine's machine is not prepared.");
        try
        {
            second.RestoreClock(clock);
            for (int index = 0; index < _vcpus.Length; index++) Move(_vcpus[index].Current, second.Vcpus[index]);
        }
        catch (Exception unfit) when (unfit is StateException or LinuxException)
        {
            return unfit.Message;
        }
        for (int index = 0; index < _vcpus.Length; index++) _vcpus[index].Switch(second.Vcpus[index]);
        _router.Switch(second.Interrupts);
        Volatile.Write(ref _second, second);
        _say($"Engine: software from here on ({cause}).");
        return null;
    }

    private static void Move(IVcpu from, IVcpu to)
    {
        const byte InvalidOpcode = 6;
        X86VcpuState state = new();
        from.SaveRegisters(state);
        // Where KVM gives an instruction up, older kernels also have the guest take #UD for it. The guest has a right to the instruction.
        if (from.Failure is not null && state.PendingException?.Vector == InvalidOpcode) state.PendingException = null;
        to.RestoreRegisters(state);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _prepared?.Dispose();
        _first.Dispose();
    }
}
