using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Hutch.Model.Domains;

/// <summary>Where a device is: <c>address</c>.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "addressType")]
[JsonDerivedType(typeof(PciAddress), "pci")]
[JsonDerivedType(typeof(DriveAddress), "drive")]
[JsonDerivedType(typeof(UsbAddress), "usb")]
[JsonDerivedType(typeof(VirtioSerialAddress), "virtio-serial")]
[JsonDerivedType(typeof(CcidAddress), "ccid")]
[JsonDerivedType(typeof(IsaAddress), "isa")]
[JsonDerivedType(typeof(DimmAddress), "dimm")]
[JsonDerivedType(typeof(OtherAddress), "other")]
public abstract record DeviceAddress;

/// <summary>A function of a PCI device.</summary>
/// <param name="Domain">Always 0 on the machines that Hutch has.</param>
/// <param name="Bus">The index of the PCI controller that it is on.</param>
/// <param name="Slot">0 to 31.</param>
/// <param name="Function">0 to 7.</param>
public sealed record PciAddress(int Domain, int Bus, int Slot, int Function) : DeviceAddress
{
    /// <summary>Its device has other functions; null: not said.</summary>
    public bool? Multifunction { get; init; }
}

/// <summary>A place of a disk on a controller.</summary>
/// <param name="Controller">Its index.</param>
/// <param name="Bus">Of the controller; of IDE 0 or 1.</param>
/// <param name="Target">SCSI's target.</param>
/// <param name="Unit">Of IDE 0 (master) or 1; SCSI's LUN.</param>
public sealed record DriveAddress(uint Controller, uint Bus, uint Target, uint Unit) : DeviceAddress;

/// <summary>A port of USB.</summary>
/// <param name="Bus">Index of the controller.</param>
/// <param name="Port">Its port and those of the hubs between, <c>1.2</c>; null: any.</param>
public sealed record UsbAddress(uint Bus, string? Port) : DeviceAddress;

/// <summary>A port of a virtio console.</summary>
/// <param name="Controller">Its index.</param>
/// <param name="Bus">Always 0.</param>
/// <param name="Port">Its number; null: any.</param>
public sealed record VirtioSerialAddress(uint Controller, uint Bus, uint? Port) : DeviceAddress;

/// <summary>A slot of a reader of smart cards.</summary>
/// <param name="Controller">Its index.</param>
/// <param name="Slot">The slot.</param>
public sealed record CcidAddress(uint Controller, uint Slot) : DeviceAddress;

/// <summary>A device of ISA.</summary>
/// <param name="IoBase">Its first port; null: its usual one.</param>
/// <param name="Irq">Its interrupt; null: its usual one.</param>
public sealed record IsaAddress(uint? IoBase, uint? Irq) : DeviceAddress;

/// <summary>Memory that is plugged in.</summary>
/// <param name="Slot">The slot.</param>
/// <param name="Base">Guest physical address; null: not said.</param>
public sealed record DimmAddress(uint? Slot, ulong? Base) : DeviceAddress;

/// <summary>An address of another type, kept as it was written; also one that says only of which type it is to be (<c>&lt;address type='pci'/&gt;</c>).</summary>
/// <param name="Type">Its type.</param>
/// <param name="Attributes">Its other attributes, each as <c>name=value</c>.</param>
public sealed record OtherAddress(string Type, ImmutableArray<string> Attributes) : DeviceAddress;
