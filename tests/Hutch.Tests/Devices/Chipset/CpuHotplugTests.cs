using System;
using System.Buffers.Binary;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Devices.Chipset;
using Xunit;

namespace Hutch.Tests.Devices.Chipset;

/// <summary>The registers behind the DSDT's methods, played as a guest's interpreter would.</summary>
public sealed class CpuHotplugTests : IDisposable
{
    private const int New = 8, Down = 16, Eject = 24, Ost = 28;

    private readonly RecordingWire _sci = new();
    private readonly FakeTime _time = new();
    private readonly EjectCounter _platform = new();
    private readonly PmBlock _pm;
    private readonly CpuHotplug _plug;

    public CpuHotplugTests()
    {
        _pm = new PmBlock(_time, _sci.Line, _platform);
        _plug = Make(absent: 0b1100);
    }

    public void Dispose() => _pm.Dispose();

    // ACPI 6.5 §4.8.4.1: the event that the methods of the DSDT begin with.
    [Fact]
    public void A_new_vcpu_is_announced_once_and_taken_when_the_guest_says_so()
    {
        Assert.Equal(0b11u, Read(0));
        _plug.PlugIn(0b0100);

        Assert.Equal(1 << CpuHotplug.GpeNumber, Gpe() & (1 << CpuHotplug.GpeNumber));
        Assert.Equal((0b111u, 0b100u, 0u), (Read(0), Read(New), Read(New)));
        Assert.Equal(0b100UL, _plug.Offered);
        // ACPI 6.5 §6.3.5: device check, insertion in progress; then success.
        Write(Ost, Status(2, 0x200, 0x80));
        Assert.Equal(0b100UL, _plug.Offered);
        Write(Ost, Status(2, 1, 0));
        Assert.Equal((0UL, 0UL), (_plug.Offered, _plug.Refused));
    }

    // ACPI 6.5 §6.3.3 (_EJx), §6.3.5 (_OST).
    [Fact]
    public void What_the_guest_ejects_is_gone_at_once()
    {
        _plug.AskFor(0b10);
        Assert.Equal((0b10u, 0b10u), (Read(Down), Read(Down)));
        // Ejection in progress is no refusal.
        Write(Ost, Status(1, 3, 0x84));
        Assert.Equal(0b10UL, _plug.Asked);

        Write(Eject, 1);

        Assert.Equal((1u, 0u, 1), (Read(0), Read(Down), _platform.Ejections));
        Assert.Equal((0b10UL, 0UL), (_plug.TakeEjected(), _plug.TakeEjected()));
        // The guest tells of the success of what is gone.
        Write(Ost, Status(1, 3, 0));
        Assert.Equal((1UL, 0UL), (_plug.Present, _plug.Refused));
    }

    // ACPI 6.5 §6.3.5: statuses of an ejection.
    [Theory]
    [InlineData(3u, 0x80u)]
    [InlineData(3u, 0x82u)]
    [InlineData(0x103u, 1u)]
    public void A_guest_that_does_not_give_a_vcpu_up_has_refused(uint what, uint status)
    {
        _plug.AskFor(0b10);
        Write(Ost, Status(1, what, status));
        Assert.Equal((0b11UL, 0UL, 0b10UL), (_plug.Present, _plug.Asked, _plug.Refused));
        _plug.AskFor(0b10);
        Assert.Equal((0b10UL, 0UL), (_plug.Asked, _plug.Refused));
    }

    // ACPI 6.5 §6.3.5: statuses of an insertion.
    [Fact]
    public void A_guest_that_does_not_take_a_vcpu_has_refused_and_it_stays_plugged_in()
    {
        _plug.PlugIn(0b1000);
        _ = Read(New);
        Write(Ost, Status(3, 1, 1));
        Assert.Equal((0b1011UL, 0UL, 0b1000UL), (_plug.Present, _plug.Offered, _plug.Refused));
    }

    [Fact]
    public void What_the_guest_has_not_seen_is_taken_back_without_it()
    {
        _plug.PlugIn(0b1100);
        _plug.AskFor(0b1000);
        Assert.Equal((0b111UL, 0b1000UL, 0UL), (_plug.Present, _plug.TakeEjected(), _plug.Asked));
        _ = Read(New);
        _plug.AskFor(0b100);
        Assert.Equal((0b111UL, 0UL, 0b100UL), (_plug.Present, _plug.TakeEjected(), _plug.Asked));
        // Asked for no longer.
        _plug.AskFor(0);
        Assert.Equal(0u, Read(Down));
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(2u)]
    [InlineData(4u)]
    [InlineData(63u)]
    [InlineData(64u)]
    [InlineData(0xffff_ffffu)]
    [InlineData(0x101u)]
    public void A_guest_cannot_eject_the_first_vcpu_or_one_that_is_not_there(uint number)
    {
        Write(Eject, number);
        Assert.Equal((0b11UL, 0UL, 0), (_plug.Present, _plug.TakeEjected(), _platform.Ejections));
    }

    [Fact]
    public void A_reset_keeps_what_is_plugged_in_and_forgets_what_was_asked()
    {
        _plug.PlugIn(0b100);
        _plug.AskFor(0b10);
        _plug.Reset();
        Assert.Equal((0b111UL, 0UL, 0UL, 0UL), (_plug.Present, _plug.Asked, _plug.Offered, _plug.Refused));
        Assert.Equal((0u, 0u), (Read(New), Read(Down)));
    }

    [Fact]
    public void All_64_have_their_bits()
    {
        CpuHotplug plug = new(64, ulong.MaxValue, _pm, _platform);
        Assert.Equal(1UL, plug.Present);
        plug.PlugIn(ulong.MaxValue);
        byte[] high = new byte[4];
        plug.Read(New + 4, high);
        Assert.Equal(uint.MaxValue, BinaryPrimitives.ReadUInt32LittleEndian(high));
        plug.Read(New, high);
        Assert.Equal(uint.MaxValue - 1, BinaryPrimitives.ReadUInt32LittleEndian(high));
        plug.Write(Eject, [63, 0, 0, 0]);
        Assert.Equal((ulong.MaxValue >> 1, 1UL << 63), (plug.Present, plug.TakeEjected()));
    }

    [Fact]
    public void Any_access_leaves_the_first_vcpu_and_no_more_than_there_are()
    {
        Random random = new(4);
        RandomAccesses.Run(_plug, CpuHotplug.LengthBytes, 4, seed: 5, () =>
        {
            if (random.Next(4) == 0) _plug.PlugIn((ulong)random.NextInt64());
            if (random.Next(4) == 0) _plug.AskFor((ulong)random.NextInt64());
            ulong ejected = _plug.TakeEjected();
            Assert.Equal(1UL, _plug.Present & ~0b1110UL);
            Assert.Equal(0UL, ejected & ~0b1110UL);
            Assert.Equal(0UL, (_plug.Offered | _plug.Asked | _plug.Refused) & ~_plug.Present);
        });
    }

    [Fact]
    public void A_saved_state_is_restored_as_it_was()
    {
        _plug.PlugIn(0b1100);
        _ = Read(New);
        Write(Ost, Status(2, 1, 1));
        _plug.AskFor(0b10);
        StateWriter first = new("cpu-hotplug"), second = new("cpu-hotplug");
        _plug.Exchange(first);
        CpuHotplug back = Make(absent: 0);
        back.Exchange(new StateReader("cpu-hotplug", first.Body.ToArray()));
        back.Exchange(second);
        Assert.Equal(first.Body.ToArray(), second.Body.ToArray());
        Assert.Equal((_plug.Offered, _plug.Asked, _plug.Refused), (back.Offered, back.Asked, back.Refused));
        // What it tells of must be there.
        Assert.Throws<StateException>(() => Make(absent: 0b1100).Exchange(new StateReader("cpu-hotplug", first.Body.ToArray())));
    }

    private CpuHotplug Make(ulong absent) => new(4, absent, _pm, _platform);

    private static uint Status(uint number, uint what, uint status) => number | status << 8 | what << 16;

    private uint Read(int register)
    {
        byte[] data = new byte[4];
        _plug.Read((ulong)register, data);
        return BinaryPrimitives.ReadUInt32LittleEndian(data);
    }

    private byte Gpe()
    {
        byte[] data = new byte[1];
        _pm.Read(PmBlock.GpeOffset, data);
        return data[0];
    }

    private void Write(int register, uint value)
    {
        byte[] data = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(data, value);
        _plug.Write((ulong)register, data);
    }

    private sealed class EjectCounter : IPlatformEvents
    {
        public int Ejections { get; private set; }

        public void Ejected() => Ejections++;

        public void PowerOff() { }

        public void Reset() { }

        public void Exit(int status) { }

        public void StorageFailed(string sentence, bool pause) { }
    }
}
