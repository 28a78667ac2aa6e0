using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>Names of devices while a domain runs, as libvirt gives them: clients address devices by them.</summary>
public static class LiveAliases
{
    /// <summary>Returns the domain with an alias on each device that lacks one and has some: all but displays and audio back ends.</summary>
    public static DomainDefinition Assign(DomainDefinition domain)
    {
        ArgumentNullException.ThrowIfNull(domain);
        bool isExpress = DomainDefaults.IsExpress(domain);
        HashSet<string> used = [.. domain.Devices.Select(static device => device.Alias).OfType<string>()];
        DomainDevice[] devices = [.. domain.Devices];
        for (int i = 0; i < devices.Length; i++)
        {
            if (devices[i].Alias is not null || NameOf(devices[i], isExpress, used) is not { } alias) continue;
            devices[i] = devices[i] with { Alias = alias };
            used.Add(alias);
        }
        PairConsole(devices);
        return domain with { Devices = [.. devices] };
    }

    private static string? NameOf(DomainDevice device, bool isExpress, HashSet<string> used) => device switch
    {
        DiskDevice disk => NameOf(disk),
        ControllerDevice controller => NameOf(controller, isExpress),
        CharacterDevice { Kind: "console", TargetType: "serial", Port: 0 } => null,
        CharacterDevice character => Next(character.Kind, used),
        InterfaceDevice => Next("net", used),
        FilesystemDevice => Next("fs", used),
        InputDevice => Next("input", used),
        TpmDevice => Next("tpm", used),
        SoundDevice => Next("sound", used),
        VideoDevice => Next("video", used),
        HostDevice => Next("hostdev", used),
        RedirectedDevice => Next("redir", used),
        HubDevice => Next("hub", used),
        WatchdogDevice => Next("watchdog", used),
        BalloonDevice { Model: "none" } => null,
        BalloonDevice => Next("balloon", used),
        EntropyDevice => Next("rng", used),
        PanicDevice => Next("panic", used),
        MemoryDevice memory => Next(memory.Model switch { "virtio-mem" => "virtiomem", "virtio-pmem" => "virtiopmem", "nvdimm" => "nvdimm", "sgx-epc" => "epc", _ => "dimm" }, used),
        IommuDevice => Next("iommu", used),
        VsockDevice => Next("vsock", used),
        _ => null,
    };

    private static string Next(string prefix, HashSet<string> used)
    {
        int number = 0;
        while (used.Contains($"{prefix}{number}")) number++;
        return $"{prefix}{number}";
    }

    private static string NameOf(DiskDevice disk) => (disk.Bus, disk.Address) switch
    {
        ("scsi", DriveAddress drive) => $"scsi{drive.Controller}-{drive.Bus}-{drive.Target}-{drive.Unit}",
        (_, DriveAddress drive) => $"{disk.Bus}{drive.Controller}-{drive.Bus}-{drive.Unit}",
        _ => $"{disk.Bus}-disk{DiskNames.IndexOf(disk.Target)}",
    };

    private static string NameOf(ControllerDevice controller, bool isExpress) => (controller.Type, controller.Index) switch
    {
        ("pci", 0) => isExpress ? "pcie.0" : "pci.0",
        ("pci", _) => $"pci.{controller.Index}",
        ("usb", 0) => "usb",
        ("sata", 0) when isExpress => "ide",
        ("ide", 0) when !isExpress => "ide",
        _ => $"{controller.Type}{controller.Index}",
    };

    /// <summary>The first console and the first serial port are one device.</summary>
    private static void PairConsole(DomainDevice[] devices)
    {
        if (devices.OfType<CharacterDevice>().FirstOrDefault(static device => device.Kind == "serial") is not { } serial) return;
        int console = Array.FindIndex(devices, static device => device is CharacterDevice { Kind: "console", TargetType: "serial", Port: 0, Alias: null });
        if (console >= 0) devices[console] = devices[console] with { Alias = serial.Alias };
    }
}
