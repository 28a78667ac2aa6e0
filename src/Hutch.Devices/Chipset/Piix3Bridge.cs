using Hutch.Devices.Pci;

namespace Hutch.Devices.Chipset;

/// <summary>
/// Function 00:01.0: the ISA bridge of a PIIX3 (Intel 82371SB data sheet §2.2), with the registers that lead PCI interrupts to the PIC. Called under the bus's configuration lock.
/// </summary>
internal sealed class Piix3Bridge : PciFunction
{
    /// <summary>Its slot, which it shares with the other functions of the chipset.</summary>
    internal const int ChipsetSlot = 1;

    private const int PirqCount = 4, FirstPirq = 0x60;
    private const byte PirqBits = 0x8f, PirqOff = 0x80;

    private readonly GsiController _gsi;

    internal Piix3Bridge(PciBus bus, GsiController gsi) : base("isa bridge", new PciIdentity(0x8086, 0x7000, 0x060100, SubsystemVendor: 0x1af4, Subsystem: 0x1100))
    {
        _gsi = gsi;
        for (int pirq = 0; pirq < PirqCount; pirq += 2) Put16(FirstPirq + pirq, PirqOff << 8 | PirqOff);
        for (int pirq = 0; pirq < PirqCount; pirq++) MakeWritable(FirstPirq + pirq, PirqBits);
        bus.AddAt(this, ChipsetSlot, 0);
    }

    /// <summary>Makes the machine what the registers say.</summary>
    internal override void OnConfigChanged()
    {
        for (int pirq = 0; pirq < PirqCount; pirq++) _gsi.RoutePirqBy(pirq, (byte)Get16(FirstPirq + pirq));
    }
}
