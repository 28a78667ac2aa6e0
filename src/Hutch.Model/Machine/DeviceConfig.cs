using System.Text.Json.Serialization;

namespace Hutch.Model.Machine;

/// <summary>What one device is to be. Holds data only; a factory beside the device resolves it.</summary>
/// <param name="Id">Name of the device, unique in the machine.</param>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(PlatformConfig), "platform")]
[JsonDerivedType(typeof(FirmwareConfig), "firmware")]
[JsonDerivedType(typeof(SerialConfig), "serial")]
[JsonDerivedType(typeof(VirtioBlockConfig), "virtio-blk")]
[JsonDerivedType(typeof(VirtioScsiConfig), "virtio-scsi")]
[JsonDerivedType(typeof(AhciConfig), "ahci")]
[JsonDerivedType(typeof(IdeConfig), "ide")]
[JsonDerivedType(typeof(VirtioConsoleConfig), "virtio-console")]
[JsonDerivedType(typeof(VirtioSerialConfig), "virtio-serial")]
[JsonDerivedType(typeof(VirtioInputConfig), "virtio-input")]
[JsonDerivedType(typeof(VirtioVsockConfig), "vsock")]
[JsonDerivedType(typeof(VhostUserFsConfig), "vhost-user-fs")]
[JsonDerivedType(typeof(VhostUserBlockConfig), "vhost-user-blk")]
[JsonDerivedType(typeof(VfioPciConfig), "vfio-pci")]
[JsonDerivedType(typeof(VirtioGpuConfig), "virtio-gpu")]
[JsonDerivedType(typeof(VirtioRngConfig), "virtio-rng")]
[JsonDerivedType(typeof(VirtioBalloonConfig), "virtio-balloon")]
[JsonDerivedType(typeof(VirtioMemConfig), "virtio-mem")]
[JsonDerivedType(typeof(VirtioNetConfig), "virtio-net")]
[JsonDerivedType(typeof(E1000Config), "e1000")]
[JsonDerivedType(typeof(Rtl8139Config), "rtl8139")]
[JsonDerivedType(typeof(WatchdogConfig), "i6300esb")]
[JsonDerivedType(typeof(PvpanicConfig), "pvpanic")]
[JsonDerivedType(typeof(VmGenIdConfig), "vmgenid")]
[JsonDerivedType(typeof(VmClockConfig), "vmclock")]
[JsonDerivedType(typeof(TpmCrbConfig), "tpm-crb")]
[JsonDerivedType(typeof(DebugConsoleConfig), "debugcon")]
[JsonDerivedType(typeof(DebugExitConfig), "debug-exit")]
[JsonDerivedType(typeof(TestDeviceConfig), "test-dev")]
[JsonDerivedType(typeof(VgaConfig), "vga")]
[JsonDerivedType(typeof(Ps2InputConfig), "ps2-input")]
[JsonDerivedType(typeof(XhciConfig), "xhci")]
[JsonDerivedType(typeof(UhciConfig), "uhci")]
[JsonDerivedType(typeof(EhciConfig), "ehci")]
public abstract record DeviceConfig(string Id)
{
    /// <summary>The PCI slot of a PCI device, 1 to 30; null: the first free one.</summary>
    public int? PciSlot { get; init; }

    /// <summary>It can be plugged in while the guest runs.</summary>
    [JsonIgnore]
    public virtual bool IsPluggable => false;

    /// <summary>What the guest writes to it ends with the machine, so that a saved machine could not go on.</summary>
    [JsonIgnore]
    public virtual bool IsTemporary => false;

    /// <summary>A part of its state is in another program, so that the machine cannot be saved.</summary>
    [JsonIgnore]
    public virtual bool KeepsStateElsewhere => false;

    /// <summary>It is a device of the host that reaches the guest's memory past this process: RAM stays where it is, and an engine must not need to know of writes.</summary>
    [JsonIgnore]
    public virtual bool ReachesMemoryItself => false;

    /// <summary>It gives the guest's memory back to the host while the guest runs.</summary>
    [JsonIgnore]
    public virtual bool ReleasesMemory => false;

    /// <summary>The same device with another medium, or none, in its drive of a name; the device itself where it has no such drive.</summary>
    public virtual DeviceConfig WithMedium(string drive, DiskConfig? medium) => this;
}

/// <summary>The chipset that every PC has: PIC, PIT, IOAPIC, RTC, i8042 reset, PM block, PCI host bridge.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Machine">Which chipset it is.</param>
/// <param name="Hpet">It has high-precision event timers. A machine that was saved before there were any has none.</param>
public sealed record PlatformConfig(string Id, MachineKind Machine = MachineKind.Q35, bool Hpet = false) : DeviceConfig(Id);

/// <summary>A 16550A serial port.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Port">COM number, 1 to 4.</param>
/// <param name="Backend">Where the bytes go.</param>
public sealed record SerialConfig(string Id, int Port, CharacterBackend Backend) : DeviceConfig(Id);

/// <summary>A virtio block device (virtio 1.2 §5.2).</summary>
/// <param name="Id">Device name.</param>
/// <param name="Disk">The image.</param>
/// <param name="Queues">Request queues, at least 1.</param>
/// <param name="Serial">What the guest sees as the disk's serial number; null: the device's name.</param>
public sealed record VirtioBlockConfig(string Id, DiskConfig Disk, int Queues = 1, string? Serial = null) : DeviceConfig(Id)
{
    /// <summary>The most queues.</summary>
    public const int MostQueues = 64;

    /// <summary>The longest serial number, in ASCII characters (virtio 1.2 §5.2.6).</summary>
    public const int LongestSerial = 20;

    /// <inheritdoc/>
    [JsonIgnore]
    public override bool IsPluggable => true;

    /// <inheritdoc/>
    [JsonIgnore]
    public override bool IsTemporary => Disk.Temporary;

    /// <summary>Its place in the order in which firmware tries to boot, lower ones first; null: not tried for what it is called.</summary>
    public int? BootIndex { get; init; }

    /// <summary>What happens when a read fails.</summary>
    public StorageErrorPolicy OnReadError { get; init; } = StorageErrorPolicy.Report;

    /// <summary>What happens when a write, a flush or a discard fails.</summary>
    public StorageErrorPolicy OnWriteError { get; init; } = StorageErrorPolicy.Enospc;
}

/// <summary>A virtio console with one port (virtio 1.2 §5.3).</summary>
public sealed record VirtioConsoleConfig(string Id, CharacterBackend Backend) : DeviceConfig(Id);

/// <summary>A virtio entropy device (virtio 1.2 §5.4).</summary>
public sealed record VirtioRngConfig(string Id) : DeviceConfig(Id)
{
    /// <inheritdoc/>
    [JsonIgnore]
    public override bool IsPluggable => true;
}

/// <summary>A memory balloon (virtio 1.2 §5.5).</summary>
/// <param name="Id">Device name.</param>
/// <param name="DeflateOnOom">The guest may take its memory back before it runs out of it.</param>
/// <param name="FreePageReporting">The guest says which of its pages are free, and the host has them.</param>
public sealed record VirtioBalloonConfig(string Id, bool DeflateOnOom = true, bool FreePageReporting = true) : DeviceConfig(Id)
{
    /// <inheritdoc/>
    [JsonIgnore]
    public override bool ReleasesMemory => true;
}

/// <summary>The device that plugs memory in while the guest runs (virtio 1.2 §5.15): up to <see cref="MachineDefinition.PluggableBytes"/>.</summary>
public sealed record VirtioMemConfig(string Id) : DeviceConfig(Id)
{
    /// <inheritdoc/>
    [JsonIgnore]
    public override bool ReleasesMemory => true;
}

/// <summary>The port on which firmware writes what it does, as QEMU's isa-debugcon.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Backend">Where the text goes.</param>
/// <param name="Port">I/O port; SeaBIOS and OVMF use 0x402.</param>
public sealed record DebugConsoleConfig(string Id, CharacterBackend Backend, ushort Port = 0x402) : DeviceConfig(Id);

/// <summary>Ends the process with <c>(value &lt;&lt; 1) | 1</c> when the guest writes the port, as QEMU's isa-debug-exit.</summary>
public sealed record DebugExitConfig(string Id, ushort Port = 0xf4, int SizeBytes = 4) : DeviceConfig(Id);

/// <summary>The ports and MMIO of QEMU's pc-testdev, for CPU test suites.</summary>
public sealed record TestDeviceConfig(string Id) : DeviceConfig(Id);

/// <summary>A display adapter as QEMU's standard VGA.</summary>
/// <param name="Id">Device name.</param>
/// <param name="MemoryMiB">Its memory, a power of two up to <see cref="MostMemoryMiB"/>.</param>
/// <param name="RomPath">The image of its video BIOS; null: it has none, and only drivers of operating systems and UEFI can use it.</param>
public sealed record VgaConfig(string Id, int MemoryMiB = 16, string? RomPath = null) : DeviceConfig(Id)
{
    /// <summary>The most memory in MiB.</summary>
    public const int MostMemoryMiB = 64;
}

/// <summary>A PS/2 keyboard and mouse at the chipset's controller.</summary>
public sealed record Ps2InputConfig(string Id) : DeviceConfig(Id);

/// <summary>Where a character device's bytes come from and go to.</summary>
/// <param name="Kind">The kind of back end.</param>
/// <param name="Path">Path of the file, UNIX socket or link, where the kind has one.</param>
public sealed record CharacterBackend(CharacterBackendKind Kind, string? Path = null);

/// <summary>Kinds of <see cref="CharacterBackend"/>.</summary>
public enum CharacterBackendKind
{
    /// <summary>Nothing: output is dropped.</summary>
    None,

    /// <summary>Standard input and output of the process; raw mode when they are a terminal.</summary>
    Stdio,

    /// <summary>Output to a file, no input.</summary>
    File,

    /// <summary>A listening UNIX socket; one client at a time.</summary>
    Unix,

    /// <summary>A pseudo-terminal; the path becomes a symbolic link to it.</summary>
    Pty,
}
