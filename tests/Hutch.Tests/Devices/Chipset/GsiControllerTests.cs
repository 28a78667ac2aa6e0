using System;
using Hutch.Core.Interrupts;
using Hutch.Devices.Chipset;
using Xunit;

namespace Hutch.Tests.Devices.Chipset;

/// <summary>How interrupts reach the two controllers (ACPI 6.5 §5.2.12; Intel ICH9 data sheet §13.1.14 for PCI interrupts).</summary>
public sealed class GsiControllerTests : IDisposable
{
    private readonly RecordingRouter _router = new();
    private readonly Pic _pic;
    private readonly Ioapic _ioapic;
    private readonly GsiController _gsi;

    public GsiControllerTests()
    {
        _pic = new Pic(_router);
        _ioapic = new Ioapic(_router, new FakeTime());
        _gsi = new GsiController(_pic, _ioapic);
        for (byte pin = 0; pin < Ioapic.PinCount; pin++)
        {
            _ioapic.Write(0, [(byte)(0x10 + 2 * pin), 0, 0, 0]);
            _ioapic.Write(0x10, [(byte)(0x40 + pin), 0, 0, 0]);
        }
    }

    public void Dispose() => _ioapic.Dispose();

    // ACPI 6.5 §5.2.12.5 (interrupt source override): ISA interrupt 0 is global system interrupt 2, all others are their own.
    [Theory]
    [InlineData(0, 0x4042)]
    [InlineData(1, 0x4041)]
    [InlineData(15, 0x404f)]
    [InlineData(16, 0x4050)]
    [InlineData(23, 0x4057)]
    public void Each_line_reaches_its_pin_and_the_timer_pin_2(int gsi, uint data)
    {
        _gsi.SetLine(gsi, true);

        Assert.Equal(data, Assert.Single(_router.Messages).Data);
    }

    // 8259A, OCW3: the request register is read.
    [Fact]
    public void Isa_lines_reach_the_pic_as_well()
    {
        _gsi.SetLine(4, true);
        _pic.WriteRegister(0, 0x0a);

        Assert.Equal(0x10, _pic.ReadRegister(0));
    }

    [Fact]
    public void Shared_line_stays_asserted_until_the_last_source_lets_go()
    {
        InterruptLine first = _gsi.Connect(4), second = _gsi.Connect(4);
        first.SetLevel(true);
        second.SetLevel(true);
        first.SetLevel(false);
        first.SetLevel(true);

        Assert.Single(_router.Messages);
        first.SetLevel(false);
        second.SetLevel(false);
        first.SetLevel(true);
        Assert.Equal(2, _router.Messages.Count);
    }

    // Intel ICH9 data sheet §13.1.14: bit 7 keeps a PCI interrupt from the PIC, bits 3 to 0 say its input; 0, 1, 2, 8 and 13 are reserved.
    [Theory]
    [InlineData(0x80, -1)]
    [InlineData(0x8b, -1)]
    [InlineData(0x00, -1)]
    [InlineData(0x01, -1)]
    [InlineData(0x02, -1)]
    [InlineData(0x08, -1)]
    [InlineData(0x0d, -1)]
    [InlineData(0x03, 3)]
    [InlineData(0x0b, 11)]
    [InlineData(0x0f, 15)]
    public void A_routing_register_leads_a_pci_interrupt_to_the_pic(byte register, int input)
    {
        const int PirqC = 2;
        _gsi.RoutePirqBy(PirqC, register);
        _gsi.SetLine(16 + PirqC, true);
        _pic.WriteRegister(0, 0x0a);
        _pic.WriteRegister(2, 0x0a);

        // The slave's output is the master's input 2.
        int requests = _pic.ReadRegister(0) & ~4 | _pic.ReadRegister(2) << 8;
        Assert.Equal(input < 0 ? 0 : 1 << input, requests);
        Assert.Equal(0x4052u, Assert.Single(_router.Messages).Data);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(24)]
    [InlineData(2)]
    public void Lines_that_do_not_exist_are_ignored(int gsi)
    {
        _gsi.SetLine(gsi, true);

        Assert.Empty(_router.Messages);
    }
}
