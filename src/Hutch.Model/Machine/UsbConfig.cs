using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Hutch.Model.Machine;

/// <summary>A USB controller and what is plugged into it.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Devices">The devices, in the order of their ports; at most <see cref="PortCount"/>.</param>
public abstract record UsbControllerConfig(string Id, ImmutableArray<UsbDeviceConfig> Devices) : DeviceConfig(Id)
{
    /// <summary>Ports for such devices that the controller has.</summary>
    [JsonIgnore]
    public abstract int PortCount { get; }
}

/// <summary>A USB 3 controller (xHCI).</summary>
/// <param name="Id">Device name.</param>
/// <param name="Devices">The devices.</param>
public sealed record XhciConfig(string Id, ImmutableArray<UsbDeviceConfig> Devices) : UsbControllerConfig(Id, Devices)
{
    /// <inheritdoc/>
    [JsonIgnore]
    public override int PortCount => 4;
}

/// <summary>A USB 1 controller (UHCI).</summary>
/// <param name="Id">Device name.</param>
/// <param name="Model">Which chip it is of.</param>
/// <param name="Devices">The devices.</param>
public sealed record UhciConfig(string Id, UhciModel Model, ImmutableArray<UsbDeviceConfig> Devices) : UsbControllerConfig(Id, Devices)
{
    /// <inheritdoc/>
    [JsonIgnore]
    public override int PortCount => 2;
}

/// <summary>Chips that have a USB 1 controller.</summary>
public enum UhciModel
{
    /// <summary>A PIIX3's, function 2 of its slot: a part of the machine pc.</summary>
    Piix3,

    /// <summary>The first one of an ICH9, alone in a slot.</summary>
    Ich9,
}

/// <summary>A USB 2 controller of an ICH9 (EHCI) with its three USB 1 companions, four functions of a slot.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Devices">The devices.</param>
public sealed record EhciConfig(string Id, ImmutableArray<UsbDeviceConfig> Devices) : UsbControllerConfig(Id, Devices)
{
    /// <inheritdoc/>
    [JsonIgnore]
    public override int PortCount => 6;
}

/// <summary>A USB device.</summary>
/// <param name="Id">Its name, unique among the machine's devices.</param>
/// <param name="Kind">What it is.</param>
public sealed record UsbDeviceConfig(string Id, UsbDeviceKind Kind)
{
    /// <summary>It is a device of USB 1, which no bus makes faster than 12 Mbit/s.</summary>
    public bool IsFullSpeed { get; init; }
}

/// <summary>Kinds of USB devices.</summary>
public enum UsbDeviceKind
{
    /// <summary>A pointing device that tells places.</summary>
    Tablet,

    /// <summary>A keyboard.</summary>
    Keyboard,
}
