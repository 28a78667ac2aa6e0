using System.Collections.Generic;
using Hutch.Model.Machine;

namespace Hutch.Devices.Usb;

/// <summary>Makes the USB controller with its devices.</summary>
internal sealed class XhciFactory : IDeviceFactory<XhciConfig>
{
    /// <inheritdoc/>
    public IDevice Create(XhciConfig config, MachineServices services)
    {
        if (config.Devices.Length > XhciConfig.MostDevices)
            throw new ConfigException($"The USB controller '{config.Id}' has {XhciConfig.MostDevices} ports for {config.Devices.Length} devices; leave some out.");
        List<UsbDevice> devices = [];
        foreach (UsbDeviceConfig device in config.Devices) devices.Add(Make(device));
        XhciController controller = new(config.Id, services, [.. devices]);
        foreach (UsbDevice device in devices)
        {
            if (device is IKeyboard keyboard) services.Input.Keyboards.Add(keyboard);
            if (device is IAbsolutePointer tablet) services.Input.Tablets.Add(tablet);
        }
        return controller;
    }

    private static UsbDevice Make(UsbDeviceConfig config) => config.Kind switch
    {
        UsbDeviceKind.Tablet => new UsbTablet(config.Id),
        UsbDeviceKind.Keyboard => new UsbKeyboard(config.Id),
        _ => throw new ConfigException($"The USB device '{config.Id}' cannot be made: there is no kind {(int)config.Kind}; leave it out."),
    };
}
