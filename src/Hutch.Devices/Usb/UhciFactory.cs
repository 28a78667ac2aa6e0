using Hutch.Devices.Chipset;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;

namespace Hutch.Devices.Usb;

/// <summary>Makes a USB 1 controller with its devices.</summary>
internal sealed class UhciFactory : IDeviceFactory<UhciConfig>
{
    private const ushort Piix3Device = 0x7020, Ich9Device = 0x2934;

    // INTD and INTA: the pins that the chips have.
    private const int Piix3Function = 2, Piix3Pin = 3, Ich9Pin = 0;

    /// <inheritdoc/>
    public IDevice Create(UhciConfig config, MachineServices services)
    {
        PciBus bus = services.Pci ?? throw new ConfigException($"Device \"{config.Id}\" needs a PCI bus; list the platform before it.");
        bool isPiix3 = config.Model == UhciModel.Piix3;
        if (isPiix3 && bus.Machine != MachineKind.Pc)
            throw new ConfigException($"The USB controller '{config.Id}' is a part of the machine pc; make the machine a pc, or the controller an ich9-usb-uhci1 or a qemu-xhci.");
        if (isPiix3 && bus.Has(Piix3Bridge.ChipsetSlot, Piix3Function)) throw new ConfigException($"The USB controller '{config.Id}' is the second one of the machine's chipset; leave one out.");
        UsbDevice[] devices = UsbDevices.Make(config, services.Input);
        UhciPort[] ports = new UhciPort[config.PortCount];
        for (int i = 0; i < ports.Length; i++) ports[i] = new UhciPort(i < devices.Length ? new UsbPacketDevice(devices[i]) : null);
        UhciController controller = isPiix3 ? new(config.Id, services, Piix3Device, Piix3Pin, ports, new()) : new(config.Id, services, Ich9Device, Ich9Pin, ports, new());
        foreach (UhciPort port in ports) port.Connect(controller);
        if (isPiix3) bus.AddAt(controller, Piix3Bridge.ChipsetSlot, Piix3Function);
        else _ = bus.Add(controller);
        return controller;
    }
}
