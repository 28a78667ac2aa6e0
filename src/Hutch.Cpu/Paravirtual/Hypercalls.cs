using System;
using System.Buffers.Binary;
using Hutch.Model.Processor;

namespace Hutch.Cpu.Paravirtual;

/// <summary>
/// KVM's hypercalls (linux/Documentation/virt/kvm/x86/hypercalls.rst): the number in RAX, arguments in RBX and RCX, the result in RAX. Only the pairing of clocks is there: the host's
/// wall clock and the guest's TSC at one moment, from which Linux's ptp_kvm makes a clock that a guest can set its own by. The vCPU's thread.
/// </summary>
internal sealed class Hypercalls(SoftVcpu vcpu)
{
    private const int NoSuchCall = -1000, NotPermitted = -1, Fault = -14, NotSupported = -95;
    private const ulong ClockPairing = 9, WallClock = 0;

    // kvm_clock_pairing: seconds, nanoseconds, TSC, flags, nine words that are 0.
    private const int PairingBytes = 64;

    /// <summary>Carries one out.</summary>
    /// <param name="cpl">Privilege level of the caller: only a kernel may.</param>
    /// <param name="number">RAX.</param>
    /// <param name="first">RBX.</param>
    /// <param name="second">RCX.</param>
    /// <returns>What is to be in RAX.</returns>
    public ulong Call(int cpl, ulong number, ulong first, ulong second)
    {
        int result = cpl != 0 ? NotPermitted
            : number != ClockPairing || !vcpu.Machine.Cpuid.Features[CpuFeature.KvmClock] ? NoSuchCall
            : second != WallClock || !vcpu.Machine.HasStableTsc ? NotSupported
            : PairClocks(first);
        return (ulong)(long)result;
    }

    private int PairClocks(ulong address)
    {
        (ulong tsc, DateTimeOffset wall) = vcpu.Time.Clock.ReadWall();
        long ticks = wall.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks;
        Span<byte> pairing = stackalloc byte[PairingBytes];
        pairing.Clear();
        BinaryPrimitives.WriteInt64LittleEndian(pairing, ticks / TimeSpan.TicksPerSecond);
        BinaryPrimitives.WriteInt64LittleEndian(pairing[8..], ticks % TimeSpan.TicksPerSecond * 100);
        BinaryPrimitives.WriteUInt64LittleEndian(pairing[16..], vcpu.Time.TscAt(tsc));
        return vcpu.Memory.TryCopyIn(address, pairing) ? 0 : Fault;
    }
}
