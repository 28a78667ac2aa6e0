using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>Where on PCI a device can be.</summary>
internal enum PciNeed
{
    /// <summary>It is not on PCI.</summary>
    None,

    /// <summary>A slot of conventional PCI.</summary>
    Conventional,

    /// <summary>A port of PCI Express; on a machine without them a slot.</summary>
    Express,

    /// <summary>The root complex: ports, which share slots.</summary>
    RootPort,
}

/// <summary>What devices need.</summary>
internal static class PciNeeds
{
    internal static PciNeed Of(DomainDevice device) => device switch
    {
        DiskDevice { Bus: "virtio" } disk => Virtio(disk.Model),
        InterfaceDevice card => Of(card),
        ControllerDevice controller => Of(controller),
        SoundDevice { Model: "usb" or "pcspk" or "sb16" } => PciNeed.None,
        SoundDevice { Model: "virtio" } => PciNeed.Express,
        SoundDevice => PciNeed.Conventional,
        FilesystemDevice or EntropyDevice or VsockDevice => PciNeed.Express,
        BalloonDevice { Model: "none" or "xen" } => PciNeed.None,
        BalloonDevice balloon => Virtio(balloon.Model),
        WatchdogDevice { Model: "i6300esb" } => PciNeed.Conventional,
        VideoDevice { Model: "none" or "ramfb" } => PciNeed.None,
        VideoDevice { Model: "virtio" or "bochs" } => PciNeed.Express,
        VideoDevice => PciNeed.Conventional,
        InputDevice { Bus: "virtio" } input => Virtio(input.Model),
        CharacterDevice { Kind: "serial", TargetType: "pci-serial" } => PciNeed.Conventional,
        MemoryDevice { Model: "virtio-mem" or "virtio-pmem" } => PciNeed.Express,
        IommuDevice { Model: "virtio" } => PciNeed.Express,
        HostDevice { Type: "pci" or "mdev" } => PciNeed.Express,
        _ => PciNeed.None,
    };

    private static PciNeed Virtio(string? model) => model == "virtio-transitional" ? PciNeed.Conventional : PciNeed.Express;

    private static PciNeed Of(InterfaceDevice card) => card.Model switch
    {
        "usb-net" => PciNeed.None,
        null or "virtio" or "virtio-non-transitional" or "virtio-net-pci" or "e1000e" or "igb" => PciNeed.Express,
        _ => PciNeed.Conventional,
    };

    private static PciNeed Of(ControllerDevice controller) => (controller.Type, controller.Model) switch
    {
        ("pci", "pci-root" or "pcie-root") => PciNeed.None,
        ("pci", "pcie-root-port" or "dmi-to-pci-bridge") => PciNeed.RootPort,
        ("pci", "pci-bridge") => PciNeed.Conventional,
        ("pci", "pcie-to-pci-bridge") => PciNeed.Express,
        ("pci", _) => PciNeed.None,
        ("usb", "none") => PciNeed.None,
        ("usb", "qemu-xhci" or "nec-xhci") => PciNeed.Express,
        ("usb", _) or ("sata", _) => PciNeed.Conventional,
        ("scsi", "virtio-scsi" or "virtio-non-transitional") => PciNeed.Express,
        ("scsi", _) => PciNeed.Conventional,
        ("virtio-serial", _) => Virtio(controller.Model),
        _ => PciNeed.None,
    };

    /// <summary>Whether a device is to have an address on PCI that it does not have yet.</summary>
    internal static bool IsWanted(DomainDevice device) => device.Address is null or OtherAddress { Type: "pci" } && Of(device) != PciNeed.None;
}
