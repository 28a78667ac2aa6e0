using System.Threading;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;
using static Hutch.Devices.Usb.EhciRegisters;

namespace Hutch.Devices.Usb;

/// <summary>Makes the USB 2 controller with its companions, four functions of a slot, and its devices.</summary>
internal sealed class EhciFactory : IDeviceFactory<EhciConfig>
{
    private const ushort FirstCompanion = 0x2934;
    private const int Function = 7;

    /// <inheritdoc/>
    public IDevice Create(EhciConfig config, MachineServices services)
    {
        PciBus bus = services.Pci ?? throw new ConfigException($"Device \"{config.Id}\" needs a PCI bus; list the platform before it.");
        UsbDevice[] devices = UsbDevices.Make(config, services.Input);
        UhciPort[] ports = new UhciPort[PortCount];
        for (int i = 0; i < PortCount; i++) ports[i] = new UhciPort(i < devices.Length ? new UsbPacketDevice(devices[i]) : null);
        Lock shared = new();
        UhciController[] companions = new UhciController[CompanionCount];
        for (int i = 0; i < CompanionCount; i++)
            companions[i] = new UhciController($"{config.Id}-uhci{i + 1}", services, (ushort)(FirstCompanion + i), pin: i, ports[(i * CompanionPorts)..((i + 1) * CompanionPorts)], shared);
        for (int i = 0; i < PortCount; i++) ports[i].Connect(companions[i / CompanionPorts]);
        EhciController controller = new(config.Id, services, companions, ports, shared);
        int slot = bus.Add(companions[0]);
        for (int i = 1; i < CompanionCount; i++) bus.AddAt(companions[i], slot, i);
        bus.AddAt(controller, slot, Function);
        return controller;
    }
}
