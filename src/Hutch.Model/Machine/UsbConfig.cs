using System.Collections.Immutable;

namespace Hutch.Model.Machine;

/// <summary>A USB controller (xHCI) and what is plugged into it.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Devices">The devices, in the order of their ports; at most <see cref="MostDevices"/>.</param>
public sealed record XhciConfig(string Id, ImmutableArray<UsbDeviceConfig> Devices) : DeviceConfig(Id)
{
    /// <summary>Ports for such devices that the controller has.</summary>
    public const int MostDevices = 4;
}

/// <summary>A USB device.</summary>
/// <param name="Id">Its name, unique among the machine's devices.</param>
/// <param name="Kind">What it is.</param>
public sealed record UsbDeviceConfig(string Id, UsbDeviceKind Kind);

/// <summary>Kinds of USB devices.</summary>
public enum UsbDeviceKind
{
    /// <summary>A pointing device that tells places.</summary>
    Tablet,

    /// <summary>A keyboard.</summary>
    Keyboard,
}
