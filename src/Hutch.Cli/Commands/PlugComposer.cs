using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>Devices that go into another one, which is made where there is none: USB devices and ports of a virtio console. An option gives each in a controller without a name.</summary>
internal static class PlugComposer
{
    /// <summary>Puts them where they belong: into the first such device, or into the one that such a machine has. Throws <see cref="UserException"/>.</summary>
    internal static void Plug(List<DeviceConfig> devices, MachineKind machine)
    {
        Plug<UsbControllerConfig, UsbDeviceConfig>(devices, machine == MachineKind.Pc ? new UhciConfig("usb", UhciModel.Piix3, []) : new XhciConfig("usb", []), static usb => usb.Devices,
            static (usb, loose) => usb with { Devices = loose }, static usb => usb.PortCount, "USB devices", "leave some out, or give the machine a controller with more by --device qemu-xhci");
        Plug<VirtioSerialConfig, SerialPortConfig>(devices, new VirtioSerialConfig("serial", []), static serial => serial.Ports, static (serial, loose) => serial with { Ports = loose },
            static _ => VirtioSerialConfig.MostPorts, "virtserialport and virtconsole devices", "leave some out");
        CheckPortNames(devices);
    }

    private static void Plug<TController, TLoose>(List<DeviceConfig> devices, TController fallback, Func<TController, ImmutableArray<TLoose>> own,
        Func<TController, ImmutableArray<TLoose>, TController> fill, Func<TController, int> most, string what, string mend) where TController : DeviceConfig
    {
        List<TLoose> loose = [];
        foreach (DeviceConfig device in devices)
            if (device is TController { Id: "" } one) loose.AddRange(own(one));
        devices.RemoveAll(static device => device is TController { Id: "" });
        if (loose.Count == 0) return;
        int place = devices.FindIndex(static device => device is TController);
        TController controller = place < 0 ? fallback : (TController)devices[place];
        if (loose.Count > most(controller)) throw new UserException($"There are {loose.Count} {what} for {most(controller)} ports; {mend}.", ExitStatus.Usage);
        if (place < 0) devices.Add(fill(controller, [.. loose]));
        else devices[place] = fill(controller, [.. loose]);
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
