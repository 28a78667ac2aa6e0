namespace Hutch.Devices.Pci;

/// <summary>Function 00:00.0: the host bridge of a Q35 chipset (Intel 3 Series datasheet §5.1), reduced to its identity and PCIEXBAR.</summary>
internal sealed class PciHostBridge : PciFunction
{
    private const int PciExBar = 0x60;

    internal PciHostBridge() : base("host bridge", new PciIdentity(0x8086, 0x29c0, 0x060000, SubsystemVendor: 0x1af4, Subsystem: 0x1100)) =>
        Put32(PciExBar, (uint)PciWindows.EcamStart | 1);
}
