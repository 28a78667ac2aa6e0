using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>Devices that go into another one, which is made where there is none: USB devices and ports of a virtio console. An option gives each in a controller without a name.</summary>
internal static class PlugComposer
{
    /// <summary>Puts them where they belong. Throws <see cref="UserException"/>.</summary>
    internal static void Plug(List<DeviceConfig> devices)
    {
        Plug<XhciConfig, UsbDeviceConfig>(devices, static usb => usb.Devices, static loose => new XhciConfig("usb", loose), static (usb, loose) => usb with { Devices = loose }, XhciConfig.MostDevices, "USB devices");
        Plug<VirtioSerialConfig, SerialPortConfig>(devices, static serial => serial.Ports, static loose => new VirtioSerialConfig("serial", loose), static (serial, loose) => serial with { Ports = loose },
            VirtioSerialConfig.MostPorts, "virtserialport and virtconsole devices");
        CheckPortNames(devices);
    }

    private static void Plug<TController, TLoose>(List<DeviceConfig> devices, Func<TController, ImmutableArray<TLoose>> own, Func<ImmutableArray<TLoose>, TController> make,
        Func<TController, ImmutableArray<TLoose>, TController> fill, int most, string what) where TController : DeviceConfig
    {
        List<TLoose> loose = [];
        foreach (DeviceConfig device in devices)
            if (device is TController { Id: "" } one) loose.AddRange(own(one));
        devices.RemoveAll(static device => device is TController { Id: "" });
        if (loose.Count == 0) return;
        if (loose.Count > most) throw new UserException($"There are {loose.Count} {what} for {most} ports; leave some out.", ExitStatus.Usage);
        int place = devices.FindIndex(static device => device is TController);
        if (place < 0) devices.Add(make([.. loose]));
        else devices[place] = fill((TController)devices[place], [.. loose]);
    }

    private static void CheckPortNames(List<DeviceConfig> devices)
    {
        HashSet<string> names = [];
        foreach (DeviceConfig device in devices)
            if (device is VirtioSerialConfig serial)
                foreach (SerialPortConfig port in serial.Ports)
                    if (port.Name is string name && !names.Add(name)) throw new UserException($"Two ports have the name '{name}'; give one of them another with name=NAME.", ExitStatus.Usage);
    }
}
