using System.Collections.Generic;
using System.Linq;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>What single devices leave out.</summary>
internal static class DeviceDefaults
{
    internal static void Fill(List<DomainDevice> devices, DomainDefinition domain, DefaultsSource source)
    {
        for (int i = 0; i < devices.Count; i++) devices[i] = Fill(devices[i], domain, source);
        if (devices.FindIndex(static device => device is VideoDevice) is >= 0 and int first && devices[first] is VideoDevice { Primary: null, Model: not "none" } video && !devices.OfType<VideoDevice>().Any(static one => one.Primary == true))
            devices[first] = video with { Primary = true };
        CharacterDefaults.Fill(devices);
    }

    private static DomainDevice Fill(DomainDevice device, DomainDefinition domain, DefaultsSource source) => device switch
    {
        DiskDevice disk => Fill(disk),
        InterfaceDevice card => card with { Mac = card.Mac ?? source.NewMac(), Model = card.Model ?? (card.Type == "hostdev" ? null : "rtl8139") },
        ControllerDevice { Type: "scsi", Model: null or "auto" } controller => controller with { Model = "virtio-scsi" },
        ControllerDevice { Type: "usb", Model: null } controller => controller with { Model = DomainDefaults.IsExpress(domain) ? "qemu-xhci" : "piix3-uhci" },
        InputDevice { Bus: null } input => input with { Bus = input.Type switch { "tablet" => "usb", "evdev" => null, "passthrough" => "virtio", _ => "ps2" } },
        GraphicsDevice { Type: "vnc" } graphics => Fill(graphics),
        VideoDevice video => Fill(video),
        TpmDevice tpm => tpm with { Model = tpm.Model ?? "tpm-crb", Version = tpm.Version ?? (tpm.BackendType == "emulator" ? "2.0" : null) },
        WatchdogDevice watchdog => watchdog with { Action = watchdog.Action ?? "reset" },
        PanicDevice panic => panic with { Model = panic.Model ?? "isa" },
        VsockDevice vsock => vsock with { Model = vsock.Model ?? "virtio", AutoCid = vsock.AutoCid ?? vsock.Cid is null },
        FilesystemDevice filesystem => filesystem with { Type = filesystem.Type ?? "mount", AccessMode = filesystem.AccessMode ?? "passthrough" },
        EntropyDevice { BackendModel: "random", Path: null } entropy => entropy with { Path = "/dev/random" },
        _ => device,
    };

    private static DiskDevice Fill(DiskDevice disk)
    {
        string bus = disk.Bus ?? disk.Target[..2] switch
        {
            "hd" => "ide",
            "sd" => "scsi",
            "vd" => "virtio",
            "fd" => "fdc",
            "ub" => "usb",
            _ => throw DomainDefaults.Bad($"Unable to find the bus of disk '{disk.Target}'; say it with the attribute 'bus' of its <target>"),
        };
        DiskDriver driver = disk.Driver ?? new DiskDriver();
        return disk with { Bus = bus, Driver = driver with { Name = driver.Name ?? "qemu", Type = driver.Type ?? (disk.Source.Type is "volume" or "vhostuser" ? null : "raw") }, ReadOnly = disk.ReadOnly || disk.Device == "cdrom" };
    }

    private static GraphicsDevice Fill(GraphicsDevice graphics)
    {
        if (!graphics.Listens.IsEmpty || graphics.Socket is null)
        {
            bool isAutomatic = graphics.AutoPort ?? graphics.Port is null or -1;
            bool listens = graphics.Listens.IsEmpty || graphics.Listens.Any(static listen => listen.Type is "address" or "network");
            if (listens) graphics = graphics with { AutoPort = isAutomatic, Port = isAutomatic ? -1 : graphics.Port };
        }
        if (!graphics.Listens.IsEmpty) return graphics with { Listen = graphics.Listen ?? graphics.Listens.FirstOrDefault(static listen => listen.Type == "address")?.Address };
        return graphics with { Listens = [graphics.Socket is { } socket ? new GraphicsListen("socket", null, null, socket) : new GraphicsListen("address", graphics.Listen, null, null)] };
    }

    private static VideoDevice Fill(VideoDevice video)
    {
        string model = video.Model ?? "vga";
        if (model == "none") return video with { Model = model };
        uint? vram = model switch { "vga" or "bochs" or "cirrus" or "vmvga" => 16384, "qxl" => 65536, _ => null };
        video = video with { Model = model, Heads = video.Heads ?? (model == "ramfb" ? null : 1), VramKib = video.VramKib ?? vram };
        return model == "qxl" ? video with { RamKib = video.RamKib ?? 65536, VgaMemoryKib = video.VgaMemoryKib ?? 16384 } : video;
    }
}
