using System;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Kvm;
using Hutch.Model.Machine;

namespace Hutch.Dev.Bench;

/// <summary>A machine of the KVM engine without devices, whose vCPUs run a few bytes of real-mode code. Port writes are counted.</summary>
internal sealed class KvmGuest : IVcpuExits, IDisposable
{
    private const ulong Code = 0x1000;
    private const int Cs = 1;

    private readonly KvmHypervisor _engine = KvmHypervisor.Open();
    private readonly GuestMemory _memory = GuestMemory.Create(4 << 20);
    private readonly IVirtualMachine _machine;
    private long _left;

    internal KvmGuest(int vcpus) => _machine = _engine.CreateMachine(_memory, new CpuTopology(1, vcpus, 1), CpuModel.Max);

    /// <summary>Places a program and lets a vCPU begin there.</summary>
    internal void Enter(int vcpu, ReadOnlySpan<byte> program)
    {
        ulong at = Code + ((ulong)vcpu * 0x100);
        if (!_memory.TryCopyIn(at, program)) throw new InvalidOperationException("The program does not fit.");
        X86VcpuState state = new();
        _machine.Vcpus[vcpu].SaveRegisters(state);
        state.Segments[Cs] = new SegmentState { Limit = 0xffff, Attributes = 0x9b };
        state.Rip = at;
        state.Activity = VcpuActivity.Running;
        _machine.Vcpus[vcpu].RestoreRegisters(state);
    }

    /// <summary>One of its vCPUs.</summary>
    internal IVcpu Vcpu(int index) => _machine.Vcpus[index];

    /// <summary>Runs vCPU 0 on this thread until it has written to ports so often.</summary>
    internal void RunFor(long writes)
    {
        _left = writes;
        if (Vcpu(0).Run(this) != VcpuStop.Requested) throw new InvalidOperationException($"The guest failed: {Vcpu(0).Failure?.Sentence}");
    }

    /// <inheritdoc/>
    public void WritePort(ushort port, ReadOnlySpan<byte> data)
    {
        if (--_left == 0) Vcpu(0).RequestStop();
    }

    /// <inheritdoc/>
    public void ReadPort(ushort port, Span<byte> data) => data.Clear();

    /// <inheritdoc/>
    public void ReadMmio(ulong address, Span<byte> data) => data.Clear();

    /// <inheritdoc/>
    public void WriteMmio(ulong address, ReadOnlySpan<byte> data)
    {
    }

    /// <inheritdoc/>
    public void EndOfInterrupt(byte vector)
    {
    }

    /// <inheritdoc/>
    public int AcknowledgeExternalInterrupt() => -1;

    /// <inheritdoc/>
    public void Dispose()
    {
        _machine.Dispose();
        _memory.Dispose();
        _engine.Dispose();
    }
}
