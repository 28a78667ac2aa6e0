namespace Hutch.Core.Bus;

/// <summary>What a device says of one access. The bus, not the device, decides what the guest sees of a bad one.</summary>
public enum BusStatus
{
    /// <summary>The access was carried out.</summary>
    Handled,

    /// <summary>The device has no register of that width there.</summary>
    BadWidth,

    /// <summary>The device has nothing at that offset.</summary>
    BadOffset,
}
