namespace Hutch.Devices.Pci;

/// <summary>PCI bus 0 of segment 0.</summary>
public sealed class PciBus
{
}
