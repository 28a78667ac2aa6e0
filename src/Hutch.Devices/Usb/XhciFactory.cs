using Hutch.Model.Machine;

namespace Hutch.Devices.Usb;

/// <summary>Makes the USB 3 controller with its devices.</summary>
internal sealed class XhciFactory : IDeviceFactory<XhciConfig>
{
    /// <inheritdoc/>
    public IDevice Create(XhciConfig config, MachineServices services) => new XhciController(config.Id, services, UsbDevices.Make(config, services.Input));
}
