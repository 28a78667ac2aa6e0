using System.Collections.Generic;
using Hutch.Model.Machine;

namespace Hutch.Devices.Usb;

/// <summary>Makes the devices of a controller, whichever it is.</summary>
internal static class UsbDevices
{
    /// <summary>Makes them, in the order of their ports, and gives the machine its keyboards and tablets. Throws <see cref="ConfigException"/> when there are more than ports.</summary>
    internal static UsbDevice[] Make(UsbControllerConfig config, InputDevices input)
    {
        if (config.Devices.Length > config.PortCount)
            throw new ConfigException($"The USB controller '{config.Id}' has {config.PortCount} ports for {config.Devices.Length} devices; leave some out.");
        List<UsbDevice> devices = [];
        foreach (UsbDeviceConfig device in config.Devices) devices.Add(Make(device));
        foreach (UsbDevice device in devices)
        {
            if (device is IKeyboard keyboard) input.Keyboards.Add(keyboard);
            if (device is IAbsolutePointer tablet) input.Tablets.Add(tablet);
        }
        return [.. devices];
    }

    private static UsbDevice Make(UsbDeviceConfig config) => config.Kind switch
    {
        UsbDeviceKind.Tablet => new UsbTablet(config.Id) { Fastest = FastestOf(config) },
        UsbDeviceKind.Keyboard => new UsbKeyboard(config.Id) { Fastest = FastestOf(config) },
        _ => throw new ConfigException($"The USB device '{config.Id}' cannot be made: there is no kind {(int)config.Kind}; leave it out."),
    };

    private static UsbSpeed FastestOf(UsbDeviceConfig config) => config.IsFullSpeed ? UsbSpeed.Full : UsbSpeed.High;
}
