using System;
using System.Collections.Generic;
using System.IO;
using Hutch.Model.Machine;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>One kind of device as it is fuzzed: beside the chipset, with a driver that knows a little of it.</summary>
/// <param name="Name">Its name on the command line.</param>
/// <param name="Config">The device, whose files are in a folder that is given.</param>
/// <param name="Driver">Makes the driver.</param>
internal sealed record FuzzedDevice(string Name, Func<string, DeviceConfig> Config, Func<FuzzMachine, Random, FuzzDriver> Driver)
{
    /// <summary>The kind of machine that has it.</summary>
    internal MachineKind Machine { get; init; }
}

/// <summary>All kinds of devices that there are. A test holds that none is missing.</summary>
internal static class FuzzedDevices
{
    private const int ImageBytes = 128 << 10, FlashBytes = 64 << 10;

    private static readonly CharacterBackend Characters = new(CharacterBackendKind.None);
    private static readonly NetBackendConfig Network = new(NetBackendKind.None);

    /// <summary>Each of them.</summary>
    internal static IReadOnlyList<FuzzedDevice> All { get; } =
    [
        new("platform", static _ => new PlatformConfig("platform", Hpet: true), Plain),
        new("firmware", Firmware, static (machine, random) => new FirmwareDriver(machine, random)),
        new("serial", static _ => new SerialConfig("com1", 1, Characters), Plain),
        new("debugcon", static _ => new DebugConsoleConfig("debug", Characters), Plain),
        new("debug-exit", static _ => new DebugExitConfig("exit"), Plain),
        new("test-dev", static _ => new TestDeviceConfig("test"), Plain),
        new("pvpanic", static _ => new PvpanicConfig("panic"), Plain),
        new("vmgenid", static _ => new VmGenIdConfig("generation"), Plain),
        new("vmclock", static _ => new VmClockConfig("clock"), Plain),
        new("tpm-crb", static _ => new TpmCrbConfig("tpm", "/t"), static (machine, random) => new TpmDriver(machine, random)),
        new("i6300esb", static _ => new WatchdogConfig("dog"), Plain),
        new("vga", static _ => new VgaConfig("vga", MemoryMiB: 1), Plain),
        new("ps2-input", static _ => new Ps2InputConfig("ps2"), Plain),
        new("virtio-blk", static _ => new VirtioBlockConfig("disk", new DiskConfig("/none"), Queues: 2), Virtio),
        new("virtio-scsi", static _ => new VirtioScsiConfig("scsi", [new ScsiDriveConfig("sd0", new DiskConfig("/none")), new ScsiDriveConfig("sd1", new DiskConfig("/none", "raw", ReadOnly: true))], Queues: 2),
            static (machine, random) => new ScsiDriver(machine, random)),
        new("virtio-console", static _ => new VirtioConsoleConfig("console", Characters), Virtio),
        new("virtio-serial", static _ => new VirtioSerialConfig("serial", [new SerialPortConfig("con", "/c", IsConsole: true), new SerialPortConfig("agent", "/a", "agent"), new SerialPortConfig("other", "/o", "other")]),
            static (machine, random) => new SerialDriver(machine, random)),
        new("virtio-input", static _ => new VirtioInputConfig("mouse", VirtioInputKind.Mouse), Virtio),
        new("virtio-keyboard", static _ => new VirtioInputConfig("keys", VirtioInputKind.Keyboard), Virtio),
        new("virtio-tablet", static _ => new VirtioInputConfig("pen", VirtioInputKind.Tablet), Virtio),
        new("virtio-gpu", static _ => new VirtioGpuConfig("gpu"), static (machine, random) => new GpuDriver(machine, random)),
        new("vsock", static _ => new VirtioVsockConfig("vsock", 3, "/v"), static (machine, random) => new VsockDriver(machine, random)),
        new("vhost-user-fs", static _ => new VhostUserFsConfig("files", FuzzStreams.VhostPath, "files"), Virtio),
        new("vhost-user-blk", static _ => new VhostUserBlockConfig("disk", FuzzStreams.VhostDiskPath), Virtio),
        new("vfio-pci", static _ => new VfioPciConfig("host", FakeVfio.Address), static (machine, random) => new VfioDriver(machine, random)),
        new("virtio-rng", static _ => new VirtioRngConfig("rng"), Virtio),
        new("virtio-balloon", static _ => new VirtioBalloonConfig("balloon"), Virtio),
        new("virtio-mem", static _ => new VirtioMemConfig("memory"), Virtio),
        new("virtio-net", static _ => new VirtioNetConfig("nic", "52:54:00:01:02:03", Network) { Queues = 2 }, Virtio),
        new("e1000", static _ => new E1000Config("nic", "52:54:00:01:02:03", Network), static (machine, random) => new E1000Driver(machine, random)),
        new("rtl8139", static _ => new Rtl8139Config("nic", "52:54:00:01:02:03", Network), static (machine, random) => new Rtl8139Driver(machine, random)),
        new("ahci", static _ => new AhciConfig("sata", [new AtaDriveConfig("hd", new DiskConfig("/none")), new AtaDriveConfig("cd", new DiskConfig("/none", "raw", ReadOnly: true), IsCdRom: true)]),
            static (machine, random) => new AhciDriver(machine, random)),
        new("ide", static _ => new IdeConfig("ide", [new AtaDriveConfig("hd", new DiskConfig("/none")), new AtaDriveConfig("other", new DiskConfig("/none")), new AtaDriveConfig("cd", new DiskConfig("/none", "raw", ReadOnly: true), IsCdRom: true)]),
            static (machine, random) => new IdeDriver(machine, random)) { Machine = MachineKind.Pc },
        new("xhci", static _ => new XhciConfig("usb", [new UsbDeviceConfig("tablet", UsbDeviceKind.Tablet), new UsbDeviceConfig("kbd", UsbDeviceKind.Keyboard)]),
            static (machine, random) => new XhciDriver(machine, random)),
        new("uhci", static _ => new UhciConfig("usb", UhciModel.Ich9, [new UsbDeviceConfig("tablet", UsbDeviceKind.Tablet), new UsbDeviceConfig("kbd", UsbDeviceKind.Keyboard)]),
            static (machine, random) => new UhciDriver(machine, random)),
        new("ehci", static _ => new EhciConfig("usb", [new UsbDeviceConfig("tablet", UsbDeviceKind.Tablet), new UsbDeviceConfig("kbd", UsbDeviceKind.Keyboard), new UsbDeviceConfig("slow", UsbDeviceKind.Tablet) { IsFullSpeed = true }]),
            static (machine, random) => new EhciDriver(machine, random)),
    ];

    private static FuzzDriver Plain(FuzzMachine machine, Random random) => new(machine, random);

    private static FuzzDriver Virtio(FuzzMachine machine, Random random) => new VirtioDriver(machine, random);

    private static FirmwareConfig Firmware(string folder)
    {
        string image = Path.Combine(folder, "image"), flash = Path.Combine(folder, "flash");
        File.WriteAllBytes(image, new byte[ImageBytes]);
        File.WriteAllBytes(flash, new byte[FlashBytes]);
        return new FirmwareConfig("firmware", image) { VariablesPath = flash, Entries = [new FwCfgEntry("opt/a", null, "some text")] };
    }
}
