using Hutch.Devices.Ahci;
using Hutch.Devices.Alarms;
using Hutch.Devices.Chipset;
using Hutch.Devices.Display;
using Hutch.Devices.Ethernet.E1000;
using Hutch.Devices.Ethernet.Rtl8139;
using Hutch.Devices.Firmware;
using Hutch.Devices.Generation;
using Hutch.Devices.Ide;
using Hutch.Devices.Input;
using Hutch.Devices.Serial;
using Hutch.Devices.TestDevices;
using Hutch.Devices.Tpm;
using Hutch.Devices.Usb;
using Hutch.Devices.Vfio;
using Hutch.Devices.Virtio.Balloon;
using Hutch.Devices.Virtio.Block;
using Hutch.Devices.Virtio.Console;
using Hutch.Devices.Virtio.Gpu;
using Hutch.Devices.Virtio.Input;
using Hutch.Devices.Virtio.Mem;
using Hutch.Devices.Virtio.Net;
using Hutch.Devices.Virtio.Rng;
using Hutch.Devices.Virtio.Scsi;
using Hutch.Devices.Virtio.Serial;
using Hutch.Devices.Virtio.VhostUser;
using Hutch.Devices.Virtio.Vsock;
using Hutch.Model.Machine;

namespace Hutch.Devices;

/// <summary>Which factory makes the device of which configuration record: one line for each, and the only place that lists devices.</summary>
public static class DeviceFactories
{
    /// <summary>Creates the device that <paramref name="config"/> describes. Throws <see cref="ConfigException"/> for an operator's mistake.</summary>
    public static IDevice Create(DeviceConfig config, MachineServices services)
    {
        if (services.Pci is { } bus) bus.WantedSlot = config.PciSlot;
        return Make(config, services);
    }

    private static IDevice Make(DeviceConfig config, MachineServices services) => config switch
    {
        PlatformConfig platform => new PlatformFactory().Create(platform, services),
        FirmwareConfig firmware => new FirmwareFactory().Create(firmware, services),
        SerialConfig serial => new SerialFactory().Create(serial, services),
        DebugConsoleConfig debugConsole => new DebugConsoleFactory().Create(debugConsole, services),
        DebugExitConfig debugExit => new DebugExitFactory().Create(debugExit, services),
        VgaConfig vga => new VgaFactory().Create(vga, services),
        Ps2InputConfig input => new Ps2InputFactory().Create(input, services),
        XhciConfig xhci => new XhciFactory().Create(xhci, services),
        UhciConfig uhci => new UhciFactory().Create(uhci, services),
        EhciConfig ehci => new EhciFactory().Create(ehci, services),
        TestDeviceConfig testDevice => new TestDeviceFactory().Create(testDevice, services),
        VirtioBlockConfig block => new VirtioBlockFactory().Create(block, services),
        VirtioScsiConfig scsi => new VirtioScsiFactory().Create(scsi, services),
        IdeConfig ide => new IdeFactory().Create(ide, services),
        AhciConfig ahci => new AhciFactory().Create(ahci, services),
        VirtioConsoleConfig console => new VirtioConsoleFactory().Create(console, services),
        VirtioSerialConfig ports => new VirtioSerialFactory().Create(ports, services),
        VirtioInputConfig input => new VirtioInputFactory().Create(input, services),
        VirtioVsockConfig vsock => new VirtioVsockFactory().Create(vsock, services),
        VhostUserFsConfig files => new VhostUserFsFactory().Create(files, services),
        VhostUserBlockConfig disk => new VhostUserBlockFactory().Create(disk, services),
        VfioPciConfig host => new VfioPciFactory().Create(host, services),
        VirtioGpuConfig gpu => new VirtioGpuFactory().Create(gpu, services),
        VirtioNetConfig net => new VirtioNetFactory().Create(net, services),
        E1000Config e1000 => new E1000Factory().Create(e1000, services),
        Rtl8139Config rtl8139 => new Rtl8139Factory().Create(rtl8139, services),
        WatchdogConfig watchdog => new WatchdogFactory().Create(watchdog, services),
        VmGenIdConfig generation => new VmGenIdFactory().Create(generation, services),
        VmClockConfig clock => new VmClockFactory().Create(clock, services),
        TpmCrbConfig tpm => new TpmCrbFactory().Create(tpm, services),
        PvpanicConfig pvpanic => new PvpanicFactory().Create(pvpanic, services),
        VirtioBalloonConfig balloon => new VirtioBalloonFactory().Create(balloon, services),
        VirtioMemConfig pluggable => new VirtioMemFactory().Create(pluggable, services),
        VirtioRngConfig rng => new VirtioRngFactory().Create(rng, services),
        _ => throw new ConfigException($"The device {config.Id} cannot be made: this build has no {config.GetType().Name} device; leave it out."),
    };
}
