using System;
using Hutch.Core.Memory;
using Hutch.Cpu.Apic;
using Hutch.Cpu.Msr;
using Hutch.Model.Machine;

namespace Hutch.Cpu.Tests.Apic;

/// <summary>A machine whose vCPUs never run: tests act as the guest through registers.</summary>
internal sealed class ApicMachine : IDisposable
{
    public const int Id = 0x20, Version = 0x30, Tpr = 0x80, Ppr = 0xa0, Eoi = 0xb0, Ldr = 0xd0, Dfr = 0xe0, Svr = 0xf0, Isr = 0x100, Tmr = 0x180, Irr = 0x200;
    public const int Esr = 0x280, IcrLow = 0x300, IcrHigh = 0x310, LvtTimer = 0x320, Lint0 = 0x350, LvtError = 0x370;
    public const int InitialCount = 0x380, CurrentCount = 0x390, Divide = 0x3e0;

    public ApicMachine(int vcpus = 1, bool enabled = true, CpuModel? model = null)
    {
        Memory = GuestMemory.Create(1 << 20);
        Machine = new SoftMachine(Memory, new CpuTopology(1, vcpus, 1), model ?? CpuModel.Max, Timers, () => (ulong)Timers.MonotonicNanoseconds * 26 / 10);
        // The calibration wants some time between its two readings.
        Timers.Advance(20_000_000);
        if (!enabled) return;
        for (int i = 0; i < vcpus; i++) Write(i, Svr, 0x1ff);
    }

    public FakeTimers Timers { get; } = new();

    public GuestMemory Memory { get; }

    public SoftMachine Machine { get; }

    public LocalApic Apic(int vcpu = 0) => Machine.SoftVcpus[vcpu].Apic;

    public SoftVcpu Vcpu(int vcpu = 0) => Machine.SoftVcpus[vcpu];

    public uint Read(int vcpu, int offset)
    {
        Span<byte> data = stackalloc byte[4];
        Vcpu(vcpu).ReadPhysical(0xfee0_0000 + (ulong)offset, data);
        return BitConverter.ToUInt32(data);
    }

    public void Write(int vcpu, int offset, uint value) => Vcpu(vcpu).WritePhysical(0xfee0_0000 + (ulong)offset, BitConverter.GetBytes(value));

    public ulong Msr(int vcpu, uint index)
    {
        if (!Vcpu(vcpu).Msrs.ReadMsr(index, out ulong value)) throw new InvalidOperationException($"#GP reading {index:x}");
        return value;
    }

    public bool WriteMsr(int vcpu, uint index, ulong value) => Vcpu(vcpu).Msrs.WriteMsr(index, value);

    public void EnterX2Apic(int vcpu) => WriteMsr(vcpu, MsrIndex.ApicBase, Msr(vcpu, MsrIndex.ApicBase) | ApicBase.Extended);

    /// <summary>The vector that the vCPU would take, or -1.</summary>
    public int Pending(int vcpu = 0) => Apic(vcpu).HasInterrupt(out byte vector) ? vector : -1;

    public void Dispose()
    {
        Machine.Dispose();
        Memory.Dispose();
    }
}
