using Hutch.Core.Bus;
using Hutch.Devices.Pci;

namespace Hutch.Devices.Chipset;

/// <summary>
/// Function 00:01.3: the power management of a PIIX4 (Intel 82371AB data sheet §7.1), whose registers place the ACPI registers. It has no SMBus. Called under the bus's
/// configuration lock.
/// </summary>
internal sealed class Piix4Power : PciFunction
{
    private const int Function = 3, Base = 0x40, DeviceActivityB = 0x58, Miscellaneous = 0x80;
    private const uint BaseBits = 0xffc0, IoSpace = 1;

    // APMC_EN: set and read-only, which tells firmware that nothing is to be set up for system management mode.
    private const uint SmiCommandEnabled = 1u << 25;
    private const byte IoEnable = 1;

    private readonly BusRegion _registers;

    internal Piix4Power(PciBus bus, PmBlock pm)
        : base("power management", new PciIdentity(0x8086, 0x7113, 0x068000, Revision: 3, SubsystemVendor: 0x1af4, Subsystem: 0x1100))
    {
        _registers = pm.Region!;
        UseInterruptPin();
        Put32(Base, IoSpace);
        for (int i = 0; i < 2; i++) MakeWritable(Base + i, (byte)(BaseBits >> (8 * i)));
        Put32(DeviceActivityB, SmiCommandEnabled);
        MakeWritable(Miscellaneous, IoEnable);
        bus.AddAt(this, Piix3Bridge.ChipsetSlot, Function);
        OnConfigChanged();
    }

    /// <inheritdoc/>
    internal override void TakeResources()
    {
        base.TakeResources();
        Put32(Base, PmBlock.BasePort | IoSpace);
        Put16(Miscellaneous, IoEnable);
        OnConfigChanged();
    }

    /// <summary>Makes the machine what the registers say. An impossible place leaves the ACPI registers nowhere.</summary>
    internal override void OnConfigChanged()
    {
        ulong start = ((byte)Get16(Miscellaneous) & IoEnable) != 0 ? Get32(Base) & BaseBits : 0;
        _registers.MoveTo(start == 0 ? null : start);
    }
}
