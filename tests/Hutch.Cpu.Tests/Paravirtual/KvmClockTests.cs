using System;
using Hutch.Cpu.Msr;
using Hutch.Cpu.Paravirtual;
using Hutch.Cpu.Tests.Apic;
using Hutch.Host.Time;
using Xunit;

namespace Hutch.Cpu.Tests.Paravirtual;

public sealed class KvmClockTests
{
    // What a guest computes (pvclock ABI).
    private static ulong Nanoseconds(ulong ticks, uint multiplier, sbyte shift)
    {
        ulong scaled = shift < 0 ? ticks >> -shift : ticks << shift;
        return (ulong)(((UInt128)scaled * multiplier) >> 32);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(999)]
    [InlineData(1_000_000)]
    [InlineData(1_000_001)]
    [InlineData(2_000_000)]
    [InlineData(2_596_123)]
    [InlineData(3_399_999)]
    [InlineData(9_000_000)]
    public void Scale_is_exact_to_a_billionth(ulong khz)
    {
        (uint multiplier, sbyte shift) = KvmClock.Scale(khz);
        Assert.True(multiplier >= 1u << 31);
        ulong ticks = khz * 1000 * 60;
        double error = (double)Nanoseconds(ticks, multiplier, shift) - 60e9;
        Assert.InRange(error, -60.0, 60.0);
    }

    [Fact]
    public void The_structure_tells_the_time_since_the_machine_began()
    {
        using var m = new ApicMachine(2);
        m.Timers.Advance(3_000_000_000);
        for (int vcpu = 0; vcpu < 2; vcpu++)
        {
            ulong address = 0x1000u + (ulong)vcpu * 64;
            Assert.True(m.WriteMsr(vcpu, MsrIndex.KvmSystemTime, address | 1));
            Assert.True(m.Memory.TryRead(address, out uint version) && version != 0 && version % 2 == 0);
            Assert.Equal(3_020_000_000.0, GuestClock(m, vcpu, address), 10.0);
            Assert.True(m.Memory.TryRead(address + 29, out byte flags));
            Assert.Equal(1, flags & 1);
        }
    }

    [Fact]
    public void Moving_the_tsc_does_not_move_the_clock()
    {
        using var m = new ApicMachine();
        m.WriteMsr(0, MsrIndex.KvmSystemTime, 0x1001);
        m.Memory.TryRead(0x1000, out uint before);
        m.WriteMsr(0, MsrIndex.Tsc, 77);
        m.Memory.TryRead(0x1000, out uint after);
        Assert.Equal(before + 2, after);
        m.Timers.Advance(1_000_000);
        Assert.Equal(21_000_000.0, GuestClock(m, 0, 0x1000), 10.0);
    }

    [Fact]
    public void The_wall_clock_is_that_of_the_beginning()
    {
        using var m = new ApicMachine();
        m.Timers.Advance(500_000_000);
        Assert.True(m.WriteMsr(0, MsrIndex.KvmWallClock, 0x2000));
        m.Memory.TryRead(0x2000, out uint version);
        m.Memory.TryRead(0x2004, out uint seconds);
        m.Memory.TryRead(0x2008, out uint nanoseconds);
        Assert.Equal(0u, version % 2);
        long expected = m.Timers.UtcNow.ToUnixTimeMilliseconds() - 520;
        Assert.Equal(expected, (seconds * 1000L) + (nanoseconds / 1_000_000));
    }

    [Fact]
    public void Addresses_outside_ram_are_ignored()
    {
        using var m = new ApicMachine();
        Assert.True(m.WriteMsr(0, MsrIndex.KvmSystemTime, 0xffff_ffff_ffff_fff1));
        Assert.True(m.WriteMsr(0, MsrIndex.KvmSystemTime, (1 << 20) - 15));
        Assert.True(m.WriteMsr(0, MsrIndex.KvmWallClock, ulong.MaxValue - 2));
        Assert.False(m.WriteMsr(0, MsrIndex.KvmSystemTime, 0x1003));
    }

    [Fact]
    public void The_hosts_tsc_goes_on_and_is_measured()
    {
        using var tsc = new HostTsc();
        var host = new MonotonicClock();
        var clock = new TscClock(tsc.Read, host, host);
        ulong before = tsc.Read();
        Assert.True(tsc.Read() > before);
        Assert.InRange(clock.Khz, 100_000ul, 10_000_000ul);
        Assert.Equal(clock.Khz, clock.Khz);
    }

    [Fact]
    public void The_frequency_is_measured_while_the_machines_clock_stands()
    {
        FakeTimers host = new();
        using PausableTimers machine = new(host);
        var clock = new TscClock(() => (ulong)host.MonotonicNanoseconds * 26 / 10, machine.Clock, machine.HostClock);
        host.Advance(5_000_000);
        machine.Stop();
        host.Advance(20_000_000);
        Assert.Equal(2_600_000ul, clock.Khz);
    }

    private static double GuestClock(ApicMachine m, int vcpu, ulong address)
    {
        m.Memory.TryRead(address + 8, out ulong timestamp);
        m.Memory.TryRead(address + 16, out ulong systemTime);
        m.Memory.TryRead(address + 24, out uint multiplier);
        m.Memory.TryRead(address + 28, out sbyte shift);
        return systemTime + Nanoseconds(m.Msr(vcpu, MsrIndex.Tsc) - timestamp, multiplier, shift);
    }
}
