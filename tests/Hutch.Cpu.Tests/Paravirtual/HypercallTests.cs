using System;
using Hutch.Cpu.Msr;
using Hutch.Cpu.Tests.Apic;
using Xunit;

namespace Hutch.Cpu.Tests.Paravirtual;

/// <summary>linux/Documentation/virt/kvm/x86/hypercalls.rst, KVM_HC_CLOCK_PAIRING.</summary>
public sealed class HypercallTests : IDisposable
{
    private const ulong ClockPairing = 9, Address = 0x3000;
    private readonly ApicMachine _machine = new();

    public void Dispose() => _machine.Dispose();

    private long Call(ulong number, ulong address = Address, ulong clock = 0, int cpl = 0) => (long)_machine.Vcpu().Hypercalls.Call(cpl, number, address, clock);

    [Fact]
    public void The_hosts_wall_clock_comes_with_the_guests_TSC()
    {
        _machine.WriteMsr(0, MsrIndex.Tsc, 1_000_000);
        _machine.Timers.Advance(1_000_000_000);
        Assert.Equal(0, Call(ClockPairing));
        _machine.Memory.TryRead(Address, out long seconds);
        _machine.Memory.TryRead(Address + 8, out long nanoseconds);
        _machine.Memory.TryRead(Address + 16, out ulong tsc);
        _machine.Memory.TryRead(Address + 24, out uint flags);
        Assert.Equal(_machine.Timers.UtcNow, DateTimeOffset.UnixEpoch.AddSeconds(seconds).AddTicks(nanoseconds / 100));
        Assert.Equal(1_000_000ul + 2_600_000_000, tsc);
        Assert.Equal(0u, flags);
    }

    [Fact]
    public void What_cannot_be_is_refused_as_KVM_refuses_it()
    {
        Assert.Equal(-1000, Call(1));
        Assert.Equal(-1, Call(ClockPairing, cpl: 3));
        Assert.Equal(-95, Call(ClockPairing, clock: 1));
        Assert.Equal(-14, Call(ClockPairing, (1 << 20) - 63));
        Assert.Equal(-14, Call(ClockPairing, ulong.MaxValue - 8));
        Assert.Equal(0, Call(ClockPairing, (1 << 20) - 64));
    }
}
