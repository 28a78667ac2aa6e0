using System;
using System.Buffers;
using System.Collections.Generic;
using System.IO;
using System.Numerics;
using System.Text;
using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>The value of <c>--device</c>: <c>NAME[,opt=val]...</c>. Every device takes <c>id=NAME</c>.</summary>
internal static class DeviceOption
{
    private static readonly SearchValues<char> PortLetters = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    /// <summary>The names, for help and messages.</summary>
    internal const string Known = "virtio-rng, virtio-balloon, virtio-console, virtserialport, virtconsole, virtio-serial, virtio-keyboard, virtio-mouse, virtio-tablet, vsock, vhost-user-fs, vhost-user-blk, vfio-pci, i6300esb, pvpanic, vmgenid, vmclock, tpm-crb, debugcon, debug-exit, test-dev, VGA, virtio-gpu, qemu-xhci, piix3-usb-uhci, ich9-usb-uhci1, ich9-usb-ehci1, usb-tablet, usb-kbd";

    /// <summary>Reads one device; a USB device, or a port of a console, comes in a controller without a name, to be plugged into the machine's. Throws <see cref="UserException"/>.</summary>
    /// <param name="value">The option's text.</param>
    /// <param name="ordinal">Number of this device among the options, for its default name.</param>
    internal static DeviceConfig Parse(string value, int ordinal)
    {
        List<string> parts = OptionText.Split(value);
        Dictionary<string, string> settings = [];
        for (int i = 1; i < parts.Count; i++)
        {
            (string key, string? text) = OptionText.KeyValue(parts[i]);
            if (text is null || key.Length == 0) throw OptionText.Bad("--device", value, $"'{parts[i]}' is not of the form option=value.");
            if (!settings.TryAdd(key, text)) throw OptionText.Bad("--device", value, $"'{key}' is there twice.");
        }
        string id = settings.Remove("id", out string? name) ? name : $"{parts[0]}{ordinal}";
        DeviceConfig device = parts[0] switch
        {
            "virtio-rng" => new VirtioRngConfig(id),
            "virtio-balloon" => new VirtioBalloonConfig(id, Switch(value, settings, "deflate-on-oom"), Switch(value, settings, "free-page-reporting")),
            "virtio-console" => new VirtioConsoleConfig(id, BackendOption.Parse("--device virtio-console,backend=", Take(settings, "backend") ?? "none")),
            "virtio-keyboard" => new VirtioInputConfig(id, VirtioInputKind.Keyboard),
            "virtio-mouse" => new VirtioInputConfig(id, VirtioInputKind.Mouse),
            "virtio-tablet" => new VirtioInputConfig(id, VirtioInputKind.Tablet),
            "vsock" => Vsock(value, settings, id),
            "vhost-user-fs" => Files(value, settings, id),
            "vhost-user-blk" => new VhostUserBlockConfig(id, Take(settings, "path") is { Length: > 0 } path ? Path.GetFullPath(path)
                : throw OptionText.Bad("--device", value, "a vhost-user-blk needs path=PATH, the UNIX socket of the program that has the disk.")),
            "vfio-pci" => HostDevice(value, settings, id),
            "virtio-serial" => new VirtioSerialConfig(id, []),
            "virtserialport" or "virtconsole" => new VirtioSerialConfig("", [Port(value, settings, id, isConsole: parts[0] == "virtconsole")]),
            "debugcon" => new DebugConsoleConfig(id, BackendOption.Parse("--device debugcon,backend=", Take(settings, "backend") ?? "none"), (ushort)Number(value, settings, "iobase", 0x402, ushort.MaxValue)),
            "debug-exit" => new DebugExitConfig(id, (ushort)Number(value, settings, "iobase", 0xf4, ushort.MaxValue), (int)Number(value, settings, "iosize", 4, 4)),
            "qemu-xhci" => new XhciConfig(id, []),
            "piix3-usb-uhci" => new UhciConfig(id, UhciModel.Piix3, []),
            "ich9-usb-uhci1" => new UhciConfig(id, UhciModel.Ich9, []),
            "ich9-usb-ehci1" => new EhciConfig(id, []),
            "usb-tablet" => UsbDevice(value, settings, id, UsbDeviceKind.Tablet),
            "usb-kbd" => UsbDevice(value, settings, id, UsbDeviceKind.Keyboard),
            "i6300esb" => new WatchdogConfig(id, Action(value, settings, AlarmAction.Reset)),
            "pvpanic" => new PvpanicConfig(id, Action(value, settings, AlarmAction.Pause)),
            "vmgenid" => new VmGenIdConfig(id, First(value, settings)),
            "vmclock" => new VmClockConfig(id),
            "tpm-crb" => Tpm(value, settings, id),
            "test-dev" => new TestDeviceConfig(id),
            "virtio-gpu" => new VirtioGpuConfig(id, Side(value, settings, "xres", VirtioGpuConfig.UsualWidth, VirtioGpuConfig.MostWidth), Side(value, settings, "yres", VirtioGpuConfig.UsualHeight, VirtioGpuConfig.MostHeight)),
            "VGA" => new VgaConfig(id, (int)Number(value, settings, "vgamem_mb", 16, VgaConfig.MostMemoryMiB),
                Take(settings, "romfile") is string rom ? DiskOption.CheckedPath("--device", rom) : DisplayOption.FindVideoBios(isNeeded: false)),
            _ => throw OptionText.Bad("--device", value, $"there is no device of that name; known are {Known}."),
        };
        foreach (string key in settings.Keys) throw OptionText.Bad("--device", value, $"{parts[0]} has no option '{key}'.");
        return device;
    }

    private static string? Take(Dictionary<string, string> settings, string key) => settings.Remove(key, out string? text) ? text : null;

    // USB 2, at high speed where the controller has it, unless it is to be a device of USB 1.
    private static XhciConfig UsbDevice(string value, Dictionary<string, string> settings, string id, UsbDeviceKind kind) => Take(settings, "usb_version") switch
    {
        null or "2" => new XhciConfig("", [new UsbDeviceConfig(id, kind)]),
        "1" => new XhciConfig("", [new UsbDeviceConfig(id, kind) { IsFullSpeed = true }]),
        _ => throw OptionText.Bad("--device", value, "usb_version is 1 or 2."),
    };

    private static SerialPortConfig Port(string value, Dictionary<string, string> settings, string id, bool isConsole)
    {
        string? name = Take(settings, "name");
        if (name is null && !isConsole) throw OptionText.Bad("--device", value, "a port needs the name that the guest finds it by, as in name=org.qemu.guest_agent.0.");
        if (name is not null && (name.Length is 0 or > SerialPortConfig.LongestName || name.AsSpan().ContainsAnyExcept(PortLetters)))
            throw OptionText.Bad("--device", value, $"the name of a port has 1 to {SerialPortConfig.LongestName} letters, digits, dots, underscores and hyphens.");
        if (Take(settings, "path") is not { Length: > 0 } path) throw OptionText.Bad("--device", value, "a port needs path=PATH, the UNIX socket that it is reached by.");
        return new SerialPortConfig(id, Path.GetFullPath(path), name, isConsole);
    }

    private static VirtioVsockConfig Vsock(string value, Dictionary<string, string> settings, string id)
    {
        if (!OptionText.TryNumber(Take(settings, "cid"), VirtioVsockConfig.MostCid, out uint cid) || cid < VirtioVsockConfig.LeastCid)
            throw OptionText.Bad("--device", value, $"a vsock needs cid=N, the guest's context id, from {VirtioVsockConfig.LeastCid} to {VirtioVsockConfig.MostCid}.");
        if (Take(settings, "path") is not { Length: > 0 } path) throw OptionText.Bad("--device", value, "a vsock needs path=PATH, the UNIX socket by which the guest is reached.");
        return new VirtioVsockConfig(id, cid, Path.GetFullPath(path));
    }

    private static TpmCrbConfig Tpm(string value, Dictionary<string, string> settings, string id) =>
        Take(settings, "path") is { Length: > 0 } path ? new TpmCrbConfig(id, Path.GetFullPath(path))
            : throw OptionText.Bad("--device", value, "a TPM needs path=PATH, the socket of swtpm socket --tpm2 --ctrl type=unixio,path=PATH.");

    private static VfioPciConfig HostDevice(string value, Dictionary<string, string> settings, string id)
    {
        if (!PciAddress.TryRead(Take(settings, "host"), out string address))
            throw OptionText.Bad("--device", value, "a vfio-pci needs host=DDDD:BB:DD.F, the address of a device of this host as lspci -D shows it, such as host=0000:01:00.0.");
        return Take(settings, "rom") switch
        {
            null => new VfioPciConfig(id, address),
            "off" => new VfioPciConfig(id, address, HasRom: false),
            { } rom => new VfioPciConfig(id, address, DiskOption.CheckedPath("--device", rom)),
        };
    }

    private static VhostUserFsConfig Files(string value, Dictionary<string, string> settings, string id)
    {
        if (Take(settings, "path") is not { Length: > 0 } path) throw OptionText.Bad("--device", value, "a vhost-user-fs needs path=PATH, the UNIX socket of its back end (virtiofsd --socket-path=PATH).");
        if (Take(settings, "tag") is not { } tag || Encoding.UTF8.GetByteCount(tag) is 0 or > VhostUserFsConfig.LongestTag)
            throw OptionText.Bad("--device", value, $"a vhost-user-fs needs tag=NAME, of 1 to {VhostUserFsConfig.LongestTag} bytes, by which the guest mounts it.");
        uint size = Number(value, settings, "queue-size", VhostUserFsConfig.UsualQueueSize, VhostUserFsConfig.MostQueueSize);
        if (size < VhostUserFsConfig.LeastQueueSize || !BitOperations.IsPow2(size))
            throw OptionText.Bad("--device", value, $"queue-size is a power of two from {VhostUserFsConfig.LeastQueueSize} to {VhostUserFsConfig.MostQueueSize}.");
        return new VhostUserFsConfig(id, Path.GetFullPath(path), tag, (int)size);
    }

    // On unless it is switched off.
    private static bool Switch(string value, Dictionary<string, string> settings, string key) => Take(settings, key) switch
    {
        null or "on" => true,
        "off" => false,
        _ => throw OptionText.Bad("--device", value, $"{key} is on or off."),
    };

    private static AlarmAction Action(string value, Dictionary<string, string> settings, AlarmAction fallback) => Take(settings, "action") switch
    {
        null => fallback,
        "none" => AlarmAction.None,
        "pause" => AlarmAction.Pause,
        "reset" => AlarmAction.Reset,
        "poweroff" => AlarmAction.PowerOff,
        _ => throw OptionText.Bad("--device", value, "action is none, pause, reset or poweroff."),
    };

    private static Guid? First(string value, Dictionary<string, string> settings) => Take(settings, "guid") switch
    {
        null or "auto" => null,
        { } text when Guid.TryParseExact(text, "D", out Guid first) => first,
        _ => throw OptionText.Bad("--device", value, "guid is auto or of the form 324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87."),
    };

    private static int Side(string value, Dictionary<string, string> settings, string key, int fallback, int maximum)
    {
        if (Take(settings, key) is not { } text) return fallback;
        if (OptionText.TryNumber(text, (uint)maximum, out uint number) && number >= VirtioGpuConfig.LeastSide) return (int)number;
        throw OptionText.Bad("--device", value, $"{key} is a number of pixels from {VirtioGpuConfig.LeastSide} to {maximum}.");
    }

    private static uint Number(string value, Dictionary<string, string> settings, string key, uint fallback, uint maximum)
    {
        if (Take(settings, key) is not { } text) return fallback;
        if (OptionText.TryNumber(text, maximum, out uint number) && number != 0) return number;
        throw OptionText.Bad("--device", value, $"{key} is a number from 1 to {maximum}.");
    }
}
