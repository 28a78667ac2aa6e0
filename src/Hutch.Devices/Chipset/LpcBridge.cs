using System;
using Hutch.Core.Bus;
using Hutch.Core.State;
using Hutch.Devices.Pci;

namespace Hutch.Devices.Chipset;

/// <summary>
/// Function 00:1f.0: the LPC bridge of an ICH9 (Intel ICH9 data sheet §13.1), with what firmware programs in it: the place of the ACPI registers, the routing of PCI
/// interrupts to the PIC, and the root complex registers, which keep what is written and have no effect. Called under the bus's configuration lock.
/// </summary>
internal sealed class LpcBridge : PciFunction, IBusDevice
{
    /// <summary>Its slot.</summary>
    internal const int ChipsetSlot = 31;

    private const int PmBase = 0x40, AcpiControl = 0x44, GpioBase = 0x48, FirstPirq = 0x60, SecondPirq = 0x68, RootComplexBase = 0xf0;
    private const byte AcpiEnable = 0x80, SciSelect = 0x07, PirqOff = 0x80, PirqNumber = 0x0f;
    private const uint PmBaseBits = 0xff80, IoSpace = 1, RootComplexBits = 0xffff_c000, RootComplexEnable = 1;
    private const int RootComplexBytes = 0x4000;

    private readonly GsiController _gsi;
    private readonly PmBlock _pm;
    private readonly BusRegion _rootComplex;
    private readonly byte[] _rootComplexRegisters = new byte[RootComplexBytes];

    internal LpcBridge(Platform platform, AddressBus mmio) : base("lpc bridge", new PciIdentity(0x8086, 0x2918, 0x060100, Revision: 2, SubsystemVendor: 0x1af4, Subsystem: 0x1100))
    {
        (_gsi, _pm) = (platform.Gsi, platform.Pm);
        _rootComplex = mmio.Reserve("root complex", RootComplexBytes, this);
        Put32(PmBase, IoSpace);
        Put32(GpioBase, IoSpace);
        for (int i = 0; i < 2; i++) MakeWritable(PmBase + i, (byte)(PmBaseBits >> (8 * i)));
        MakeWritable(AcpiControl, AcpiEnable | SciSelect);
        for (int pirq = 0; pirq < GsiController.PirqCount; pirq++)
        {
            int register = RegisterOf(pirq);
            Put16(register, (ushort)(Get16(register) & 0xff00 | PirqOff));
            MakeWritable(register, PirqOff | PirqNumber);
        }
        MakeWritable(RootComplexBase, (byte)RootComplexEnable);
        for (int i = 1; i < 4; i++) MakeWritable(RootComplexBase + i, (byte)(RootComplexBits >> (8 * i)));
        platform.Pci.AddAt(this, ChipsetSlot, 0);
        OnConfigChanged();
    }

    /// <inheritdoc/>
    internal override void ResetConfig()
    {
        base.ResetConfig();
        Array.Clear(_rootComplexRegisters);
    }

    /// <summary>Makes the machine what the registers say.</summary>
    internal override void OnConfigChanged()
    {
        bool hasAcpi = ((byte)Get16(AcpiControl) & AcpiEnable) != 0;
        _pm.Region!.MoveTo(Place(hasAcpi ? Get32(PmBase) & PmBaseBits : 0));
        for (int pirq = 0; pirq < GsiController.PirqCount; pirq++) _gsi.RoutePirqBy(pirq, (byte)Get16(RegisterOf(pirq)));
        uint rootComplex = Get32(RootComplexBase);
        _rootComplex.MoveTo(Place((rootComplex & RootComplexEnable) != 0 ? rootComplex & RootComplexBits : 0));
    }

    /// <summary>Saves or restores what is not in configuration space.</summary>
    internal void Exchange(StateFields fields) => fields.Bytes("root-complex", _rootComplexRegisters);

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        _rootComplexRegisters.AsSpan((int)offset, data.Length).CopyTo(data);
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        data.CopyTo(_rootComplexRegisters.AsSpan((int)offset, data.Length));
        return BusStatus.Handled;
    }

    // Nothing is placed at 0.
    private static ulong? Place(uint start) => start == 0 ? null : start;

    private static int RegisterOf(int pirq) => pirq < 4 ? FirstPirq + pirq : SecondPirq + pirq - 4;
}
