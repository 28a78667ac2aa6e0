using System;
using System.Runtime.InteropServices;
using System.Text;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Devices.Acpi;
using Hutch.Devices.Generation;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Chipset;
using Xunit;

namespace Hutch.Tests.Devices.Generation;

/// <summary>The VM clock (Linux, uapi/linux/vmclock-abi.h).</summary>
public sealed class VmClockTests : IDisposable
{
    private const byte Tsc = 1, NoCounter = 0xff;
    private const ulong Khz = 2_500_000;

    private readonly GuestMemory _memory = GuestMemory.Create(16 << 20);
    private readonly FakeTime _time = new();
    private readonly MachineServices _services;
    private ClockPair? _pair = new(1000, Khz, DateTimeOffset.UnixEpoch.AddSeconds(100).AddMilliseconds(500));

    public VmClockTests()
    {
        _services = new MachineServices
        {
            Memory = _memory, Ports = new("ports"), Mmio = new("mmio"), Interrupts = new RecordingRouter(), Timers = _time, Platform = new RecordingPlatform(), ReadClocks = () => _pair,
            OpenDisk = static _ => throw new ConfigException("No disk."), OpenChannel = static _ => throw new ConfigException("No channel."),
        };
    }

    public void Dispose() => _memory.Dispose();

    // The structure as the header has it: no padding is added, as every field is aligned.
    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    private struct Abi
    {
        public uint Magic, Size;
        public ushort Version;
        public byte CounterId, TimeType;
        public uint SeqCount;
        public ulong DisruptionMarker, Flags;
        public ushort Pad;
        public byte ClockStatus, SmearingHint;
        public ushort TaiOffset;
        public byte LeapIndicator, PeriodShift;
        public ulong CounterValue, Period, PeriodEstimatedError, PeriodMaximumError, Seconds, FractionOfSecond, EstimatedError, MaximumError, Generation;
    }

    private unsafe Abi Page => *(Abi*)_memory.HostAddress(VmClock.Address);

    private IDevice Make()
    {
        IDevice device = DeviceFactories.Create(new VmClockConfig("clock"), _services);
        device.Reset();
        return device;
    }

    private void GoOn(IDevice device)
    {
        device.Start();
        _services.ClocksWentOn!();
    }

    // What a program in the guest makes of it, in nanoseconds since 1970.
    private static long TimeAt(Abi page, ulong counter)
    {
        UInt128 time = (((UInt128)(counter - page.CounterValue) * page.Period) >> page.PeriodShift) + page.FractionOfSecond;
        return ((long)(page.Seconds + (ulong)(time >> 64)) * 1_000_000_000) + (long)(((UInt128)(ulong)time * 1_000_000_000) >> 64);
    }

    [Fact]
    public void The_guest_reads_a_page_with_the_counter_and_the_time_and_cannot_write_it()
    {
        using IDevice device = Make();
        GoOn(device);
        Abi page = Page;
        Assert.Equal(112, System.Runtime.CompilerServices.Unsafe.SizeOf<Abi>());
        Assert.Equal(0x4b4c4356u, page.Magic);
        Assert.Equal(4096u, page.Size);
        Assert.Equal(1, page.Version);
        Assert.Equal(Tsc, page.CounterId);
        Assert.Equal(0, page.TimeType); // UTC
        Assert.Equal(0u, page.SeqCount & 1);
        Assert.Equal(1UL << 8, page.Flags); // a generation, and no promise besides
        Assert.Equal(0, page.ClockStatus);
        Assert.Equal(1000UL, page.CounterValue);
        Assert.Equal(100UL, page.Seconds);
        Assert.Equal(1UL << 63, page.FractionOfSecond);
        Assert.False(_memory.IsWritable(VmClock.Address));
    }

    [Fact]
    public void A_later_reading_of_the_counter_gives_the_time_to_the_nanosecond()
    {
        using IDevice device = Make();
        GoOn(device);
        Assert.Equal(100_500_000_000, TimeAt(Page, 1000));
        Assert.InRange(TimeAt(Page, 1000 + (10 * Khz * 1000)), 110_500_000_000 - 1, 110_500_000_000);
        Assert.InRange(TimeAt(Page, 1000 + Khz), 100_501_000_000 - 1, 100_501_000_000);
    }

    [Theory]
    [InlineData(1_000ul)]
    [InlineData(1ul << 31)]
    [InlineData((1ul << 31) + 1)]
    [InlineData(2_899_999_000ul)]
    [InlineData(5_000_000_000ul)]
    public void A_period_has_all_the_digits_that_there_is_room_for(ulong hertz)
    {
        (ulong period, byte shift) = VmClock.PeriodOf(hertz);
        Assert.True(period >> 63 == 1 || hertz == 1UL << 31);
        UInt128 second = (UInt128)period * hertz;
        Assert.InRange((UInt128.One << (64 + shift)) - second, UInt128.Zero, (UInt128)hertz);
    }

    [Fact]
    public void The_page_is_written_anew_every_second_and_stands_in_a_pause()
    {
        using IDevice device = Make();
        GoOn(device);
        uint sequence = Page.SeqCount;
        _pair = new ClockPair(5000, Khz, DateTimeOffset.UnixEpoch.AddSeconds(102));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((5000UL, 102UL, 1UL), (Page.CounterValue, Page.Seconds, Page.DisruptionMarker));
        Assert.Equal(sequence + 2, Page.SeqCount);
        device.Stop();
        _pair = new ClockPair(6000, Khz, DateTimeOffset.UnixEpoch.AddSeconds(103));
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(5000UL, Page.CounterValue);
    }

    [Fact]
    public void A_pause_disrupts_the_clock_and_is_no_new_generation()
    {
        using IDevice device = Make();
        GoOn(device);
        (ulong marker, ulong generation) = (Page.DisruptionMarker, Page.Generation);
        device.Stop();
        GoOn(device);
        Assert.Equal((marker + 1, generation), (Page.DisruptionMarker, Page.Generation));
    }

    [Fact]
    public void A_restored_guest_sees_a_disruption_and_another_generation_when_it_runs()
    {
        StateWriter writer = new("clock");
        Abi before;
        using (IDevice device = Make())
        {
            GoOn(device);
            device.Stop();
            device.Exchange(writer);
            before = Page;
        }
        using GuestMemory memory = GuestMemory.Create(16 << 20);
        MachineServices services = new()
        {
            Memory = memory, Ports = new("ports"), Mmio = new("mmio"), Interrupts = new RecordingRouter(), Timers = _time, Platform = new RecordingPlatform(),
            OpenDisk = static _ => throw new ConfigException("No disk."), OpenChannel = static _ => throw new ConfigException("No channel."),
        };
        using IDevice back = DeviceFactories.Create(new VmClockConfig("clock"), services);
        back.Reset();
        back.Exchange(new StateReader("clock", writer.Body.ToArray()));
        StateWriter again = new("clock");
        back.Exchange(again);
        Assert.Equal(writer.Body.ToArray(), again.Body.ToArray());
        back.Start();
        services.ClocksWentOn!();
        Abi page = PageOf(memory);
        Assert.Equal(before.DisruptionMarker + 1, page.DisruptionMarker);
        Assert.NotEqual(before.Generation, page.Generation);
        Assert.NotEqual(before.SeqCount, page.SeqCount);
        // This machine's engine cannot read the clocks, and the guest had been told of a time: it is not to be trusted any more.
        Assert.Equal((Tsc, 4), (page.CounterId, page.ClockStatus));
    }

    private static unsafe Abi PageOf(GuestMemory memory) => *(Abi*)memory.HostAddress(VmClock.Address);

    [Fact]
    public void An_engine_that_cannot_read_the_clocks_has_a_page_without_a_time()
    {
        _pair = null;
        using IDevice device = Make();
        GoOn(device);
        Assert.Equal((NoCounter, 0, 0UL, 1UL), (Page.CounterId, Page.ClockStatus, Page.Seconds, Page.DisruptionMarker));
        // Nothing changes for a guest that runs: it looks once.
        _pair = new ClockPair(1, Khz, DateTimeOffset.UnixEpoch);
        device.Stop();
        GoOn(device);
        Assert.Equal((NoCounter, 0, 2UL), (Page.CounterId, Page.ClockStatus, Page.DisruptionMarker));
        device.Stop();
        device.Reset();
        GoOn(device);
        Assert.Equal(Tsc, Page.CounterId);
    }

    [Fact]
    public void A_second_one_is_refused_and_one_beside_a_generation_identifier_is_not()
    {
        using IDevice platform = DeviceFactories.Create(new PlatformConfig("platform"), _services);
        using IDevice device = Make();
        using IDevice generation = DeviceFactories.Create(new VmGenIdConfig("generation"), _services);
        Assert.Contains("leave one out", Assert.Throws<ConfigException>(Make).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_a_machine_with_one_tells_of_it()
    {
        AcpiOptions options = new() { Cpus = new CpuTopology(1, 1, 1) };
        Assert.Contains("AMZNC10C", Encoding.Latin1.GetString(AcpiTables.Build(options with { HasVmClock = true }).Image), StringComparison.Ordinal);
        Assert.DoesNotContain("AMZNC10C", Encoding.Latin1.GetString(AcpiTables.Build(options).Image), StringComparison.Ordinal);
    }
}
