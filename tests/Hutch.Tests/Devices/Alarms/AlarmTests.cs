using System;
using Hutch.Devices;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Virtio;
using Xunit;

namespace Hutch.Tests.Devices.Alarms;

/// <summary>The watchdog of the 6300ESB (Intel 6300ESB ICH data sheet §16) and pvpanic (QEMU docs/specs/pvpanic).</summary>
public sealed class AlarmTests : IDisposable
{
    private const int Reload = 12, Configuration = 0x60, Lock = 0x68;
    private const long Millisecond = 1_000_000;

    private readonly TestMachine _machine = new();

    public void Dispose() => _machine.Dispose();

    private (IDevice Device, ulong Base) Make(DeviceConfig config)
    {
        IDevice device = DeviceFactories.Create(config, _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        device.Start();
        return (device, _machine.ReadConfig(1, 0x10) & ~0xfu);
    }

    private void Write(ulong registers, int register, uint value, int width = 4)
    {
        _machine.Store(registers + Reload, 0x80, 1);
        _machine.Store(registers + Reload, 0x86, 1);
        _machine.Store(registers + (ulong)register, value, width);
    }

    // 1000 counts in each stage, as Linux sets it up: no interrupt, the slow clock.
    private void Begin(ulong registers, uint configuration = 3)
    {
        _machine.WriteConfig(1, Configuration, configuration, 2);
        Write(registers, 0, 1000);
        Write(registers, 4, 1000);
        _machine.WriteConfig(1, Lock, 2, 1);
        Write(registers, Reload, 0x100, 2);
    }

    // 6300ESB §16.2: two stages; the reload register's WDT_TIMEOUT outlives the reset.
    [Theory]
    [InlineData(AlarmAction.Reset)]
    [InlineData(AlarmAction.None)]
    public void A_watchdog_that_nobody_stops_is_an_alarm_after_both_stages(AlarmAction action)
    {
        (IDevice device, ulong registers) = Make(new WatchdogConfig("dog", action));
        Assert.Equal(0x25ab_8086u, _machine.ReadConfig(1, 0));
        Begin(registers);
        // 1000 × 2^15 clocks of 33 MHz are 992.97 ms.
        _machine.Timers.Advance(993 * Millisecond);
        _machine.Timers.Advance(992 * Millisecond);
        Assert.Empty(_machine.Platform.Alarms);
        _machine.Timers.Advance(2 * Millisecond);
        Assert.Equal([("The guest did not stop its watchdog 'dog' in time", action)], _machine.Platform.Alarms);
        Assert.False(_machine.Timers.IsArmed);
        Assert.Equal(0x200u, (uint)_machine.Load(registers + Reload, 2));
        device.Reset();
        // Who starts anew is told why, until it has taken it.
        Assert.Equal((0x200u, 0u), ((uint)_machine.Load(registers + Reload, 2), _machine.ReadConfig(1, Lock, 1)));
        Write(registers, Reload, 0x200, 2);
        Assert.Equal(0u, (uint)_machine.Load(registers + Reload, 2));
        device.Dispose();
    }

    [Fact]
    public void A_watchdog_that_is_fed_or_stopped_is_none()
    {
        (IDevice device, ulong registers) = Make(new WatchdogConfig("dog"));
        Begin(registers);
        for (int i = 0; i < 10; i++)
        {
            _machine.Timers.Advance(1500 * Millisecond);
            Write(registers, Reload, 0x100, 2);
        }
        _machine.WriteConfig(1, Lock, 0, 1);
        Assert.False(_machine.Timers.IsArmed);
        _machine.Timers.Advance(1_000_000 * Millisecond);
        Assert.Empty(_machine.Platform.Alarms);
        device.Dispose();
    }

    // 6300ESB §16.2: 80h and 86h, then the write.
    [Fact]
    public void Registers_are_written_once_behind_two_keys()
    {
        (IDevice device, ulong registers) = Make(new WatchdogConfig("dog"));
        _machine.Store(registers, 5, 4);
        Assert.Equal(0xf_ffffu, (uint)_machine.Load(registers, 4));
        _machine.Store(registers + Reload, 0x86, 1);
        _machine.Store(registers, 5, 4);
        Assert.Equal(0xf_ffffu, (uint)_machine.Load(registers, 4));
        // Linux gives both keys, reads, and gives both again.
        Write(registers, Reload, 0x80, 1);
        _machine.Store(registers + Reload, 0x86, 1);
        _machine.Store(registers, 0xffff_fff5, 4);
        _machine.Store(registers, 6, 4);
        Assert.Equal(0xf_fff5u, (uint)_machine.Load(registers, 4));
        device.Dispose();
    }

    // 6300ESB §16: the lock register.
    [Fact]
    public void The_lock_holds_until_the_machine_is_reset()
    {
        (IDevice device, ulong registers) = Make(new WatchdogConfig("dog"));
        Begin(registers);
        _machine.WriteConfig(1, Lock, 3, 1);
        _machine.WriteConfig(1, Lock, 0, 1);
        Assert.Equal(3u, _machine.ReadConfig(1, Lock, 1));
        Assert.True(_machine.Timers.IsArmed);
        device.Reset();
        Assert.Equal(0u, _machine.ReadConfig(1, Lock, 1));
        Assert.False(_machine.Timers.IsArmed);
        device.Dispose();
    }

    // 6300ESB §16: interrupt type and prescaler of the configuration register; the interrupt status, which a written one clears.
    [Fact]
    public void The_first_stage_can_interrupt_and_the_clock_can_be_fast()
    {
        (IDevice device, ulong registers) = Make(new WatchdogConfig("dog"));
        _machine.WriteConfig(1, Configuration, 4, 2);
        Write(registers, 0, 10_000);
        Write(registers, 4, 10_000);
        _machine.WriteConfig(1, Lock, 2, 1);
        // 10,000 × 2^5 clocks are 9.7 ms.
        _machine.Timers.Advance(9 * Millisecond);
        Assert.False(_machine.Gsi[17]);
        _machine.Timers.Advance(Millisecond);
        Assert.True(_machine.Gsi[17]);
        Assert.Equal(1u, (uint)_machine.Load(registers + 8, 4));
        _machine.Store(registers + 8, 1, 4);
        Assert.False(_machine.Gsi[17]);
        Assert.Empty(_machine.Platform.Alarms);
        device.Dispose();
    }

    // 6300ESB §16: the output enable of the configuration register, the free-running mode of the lock register.
    [Fact]
    public void An_alarm_that_is_switched_off_is_none_and_a_free_running_timer_goes_on()
    {
        (IDevice device, ulong registers) = Make(new WatchdogConfig("dog"));
        Begin(registers, configuration: 0x23);
        _machine.WriteConfig(1, Lock, 6, 1);
        for (int i = 0; i < 10; i++) _machine.Timers.Advance(1000 * Millisecond);
        Assert.Empty(_machine.Platform.Alarms);
        Assert.True(_machine.Timers.IsArmed);
        device.Dispose();
    }

    // 6300ESB §16: what the registers are after a reset, and the bits that can be written.
    [Fact]
    public void Watchdog_registers_have_their_reset_values_and_reserved_bits()
    {
        (IDevice device, ulong registers) = Make(new WatchdogConfig("dog"));
        Assert.Equal((0xf_ffffu, 0xf_ffffu, 0u, 0u), ((uint)_machine.Load(registers, 4), (uint)_machine.Load(registers + 4, 4), (uint)_machine.Load(registers + 8, 4), (uint)_machine.Load(registers + Reload, 4)));
        Assert.Equal((0u, 0u), (_machine.ReadConfig(1, Configuration, 2), _machine.ReadConfig(1, Lock, 1)));
        _machine.WriteConfig(1, Configuration, 0xffff, 2);
        _machine.WriteConfig(1, Lock, 0xfc, 1);
        Assert.Equal((0x27u, 4u), (_machine.ReadConfig(1, Configuration, 2), _machine.ReadConfig(1, Lock, 1)));
        // The base address is that of 16 bytes (PCI Local Bus 3.0 §6.2.5.1).
        _machine.WriteConfig(1, 0x10, 0xffff_ffff);
        Assert.Equal(0xffff_fff0u, _machine.ReadConfig(1, 0x10));
        Assert.False(_machine.Timers.IsArmed);
        device.Dispose();
    }

    // QEMU docs/specs/pvpanic: bits that the device does not know are ignored, its byte says which it knows, and there is one byte.
    [Fact]
    public void A_panic_device_ignores_bits_that_it_does_not_know()
    {
        (IDevice device, ulong registers) = Make(new PvpanicConfig("panic"));
        _machine.Store(registers, 0xfc, 1);
        Assert.Empty(_machine.Platform.Alarms);
        Assert.Equal((3u, 0u), ((uint)_machine.Load(registers, 4), (uint)_machine.Load(registers + 1, 1)));
        device.Dispose();
    }

    // QEMU docs/specs/pvpanic, "Bit Definition" and "PCI Interface".
    [Fact]
    public void A_panic_is_an_alarm_and_a_crash_kernel_only_told_of()
    {
        (IDevice device, ulong registers) = Make(new PvpanicConfig("panic", AlarmAction.PowerOff));
        Assert.Equal((0x0011_1b36u, 3u), (_machine.ReadConfig(1, 0), (uint)_machine.Load(registers, 1)));
        _machine.Store(registers, 2, 1);
        _machine.Store(registers + 1, 1, 1);
        _machine.Store(registers, 1, 1);
        Assert.Equal([("The guest's kernel panicked ('panic') and its crash kernel takes over", AlarmAction.None), ("The guest's kernel panicked ('panic')", AlarmAction.PowerOff)], _machine.Platform.Alarms);
        device.Dispose();
    }

    [Theory]
    [InlineData(1)]
    public void Random_accesses_leave_a_watchdog_that_works(int seed)
    {
        (IDevice device, ulong registers) = Make(new WatchdogConfig("dog"));
        Random random = new(seed);
        for (int i = 0; i < 1_000_000; i++)
        {
            int width = 1 << random.Next(3);
            uint value = random.Next(4) switch { 0 => 0x80u, 1 => 0x86u, 2 => (uint)random.Next(0x400), _ => (uint)random.NextInt64() };
            switch (random.Next(5))
            {
                case 0: _ = _machine.Load(registers + (ulong)random.Next(13), width); break;
                case 1: _machine.WriteConfig(1, Configuration + random.Next(12), value, width); break;
                case 2: _machine.Timers.Advance(random.NextInt64(100_000 * Millisecond)); break;
                default: _machine.Store(registers + (random.Next(2) == 0 ? (ulong)Reload : (ulong)random.Next(13)), value, width); break;
            }
        }
        device.Reset();
        _machine.WriteConfig(1, 0x10, (uint)registers);
        _machine.WriteConfig(1, 4, 2, 2);
        int before = _machine.Platform.Alarms.Length;
        Begin(registers);
        _machine.Timers.Advance(1000 * Millisecond);
        _machine.Timers.Advance(1000 * Millisecond);
        Assert.Equal(before + 1, _machine.Platform.Alarms.Length);
        device.Dispose();
    }
}
