using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Model.Processor;

namespace Hutch.Cpu.Paravirtual;

/// <summary>
/// kvm-clock (linux/Documentation/virt/kvm/x86/msr.rst, pvclock_vcpu_time_info): the host tells a guest how its TSC relates to
/// nanoseconds since the machine began. All vCPUs are told the same line, so the clock is the same everywhere and the STABLE flag is true where the host's TSC is.
/// The vCPU's thread.
/// </summary>
internal sealed unsafe class KvmClock(SoftVcpu vcpu)
{
    /// <summary>Bytes of the shared structure.</summary>
    public const int Bytes = 32;

    private const ulong Enable = 1;
    private const byte StableFlag = 1;

    /// <summary>MSR 0x4b564d01 (or 0x12): address of the structure, bit 0: enabled.</summary>
    public ulong SystemTime { get; private set; }

    /// <summary>MSR 0x4b564d00 (or 0x11): where the wall clock at the machine's beginning was written last.</summary>
    public ulong WallClock { get; private set; }

    /// <summary>WRMSR of the system time MSR. False: #GP, the address is not a multiple of 4.</summary>
    public bool WriteSystemTime(ulong value)
    {
        if ((value & 2) != 0) return false;
        SystemTime = value;
        Publish();
        return true;
    }

    /// <summary>WRMSR of the wall clock MSR: fills pvclock_wall_clock {version, seconds, nanoseconds} once.</summary>
    public void WriteWallClock(ulong address)
    {
        WallClock = address;
        if (address == 0 || !vcpu.Memory.TryRead(address, out uint version)) return;
        version = (version | 1) + 2;
        TscClock clock = vcpu.Time.Clock;
        TscClock.Start start = clock.Reference;
        long sinceBeginning = clock.Clock.MonotonicNanoseconds - start.Nanoseconds + (long)start.GuestNanoseconds;
        long wall = ((clock.Clock.UtcNow.Ticks - DateTimeOffset.UnixEpoch.Ticks) * 100) - sinceBeginning;
        Span<byte> body = stackalloc byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(body, (uint)(wall / 1_000_000_000));
        BinaryPrimitives.WriteUInt32LittleEndian(body[4..], (uint)(wall % 1_000_000_000));
        Store(address, version, body);
    }

    /// <summary>Restores the wall clock MSR without writing to guest RAM.</summary>
    public void RestoreWallClock(ulong address) => WallClock = address;

    /// <summary>State after reset.</summary>
    public void Reset()
    {
        SystemTime = 0;
        WallClock = 0;
    }

    /// <summary>Writes the structure again: it was enabled, or the TSC was moved.</summary>
    public void Publish()
    {
        // The version goes on from what is there: a restored guest may have been stopped while it read.
        if ((SystemTime & Enable) == 0 || !vcpu.Memory.TryRead(SystemTime & ~Enable, out uint version)) return;
        TscClock clock = vcpu.Time.Clock;
        (uint multiplier, sbyte shift) = Scale(clock.Khz);
        Span<byte> body = stackalloc byte[Bytes - 4];
        body.Clear();
        TscClock.Start start = clock.Reference;
        BinaryPrimitives.WriteUInt64LittleEndian(body[4..], start.Tsc + vcpu.Context->TscOffset);
        BinaryPrimitives.WriteUInt64LittleEndian(body[12..], start.GuestNanoseconds);
        BinaryPrimitives.WriteUInt32LittleEndian(body[20..], multiplier);
        body[24] = (byte)shift;
        body[25] = vcpu.Machine.HasStableTsc && vcpu.Machine.Cpuid.Features[CpuFeature.KvmClockStable] ? StableFlag : (byte)0;
        Store(SystemTime & ~Enable, (version | 1) + (version & 1) * 2, body);
    }

    /// <summary>
    /// The multiplier and shift that turn ticks into nanoseconds: <c>((ticks &lt;&lt; shift) * multiplier) &gt;&gt; 32</c> (a negative shift goes right).
    /// The multiplier has its top bit set.
    /// </summary>
    public static (uint Multiplier, sbyte Shift) Scale(ulong khz)
    {
        // ticks << shift must run at between 1 and 2 GHz for the multiplier to lie in [2^31, 2^32).
        UInt128 hz = (UInt128)khz * 1000;
        int shift = 0;
        while (hz > 2_000_000_000) { hz >>= 1; shift--; }
        while (hz <= 1_000_000_000) { hz <<= 1; shift++; }
        UInt128 numerator = shift < 0 ? ((UInt128)1_000_000_000 << 32) << -shift : (UInt128)1_000_000_000 << 32;
        UInt128 divisor = shift < 0 ? (UInt128)khz * 1000 : hz;
        UInt128 multiplier = (numerator + (divisor / 2)) / divisor;
        return ((uint)(multiplier > uint.MaxValue ? uint.MaxValue : multiplier), (sbyte)shift);
    }

    // Version protocol: odd while the rest changes. Other vCPUs and the guest's vDSO may be reading.
    private void Store(ulong address, uint oddVersion, ReadOnlySpan<byte> body)
    {
        if (!vcpu.Memory.TryWrite(address, oddVersion)) return;
        Interlocked.MemoryBarrier();
        if (!vcpu.Memory.TryCopyIn(address + 4, body)) return;
        Interlocked.MemoryBarrier();
        vcpu.Memory.TryWrite(address, oddVersion + 1);
    }
}
