namespace Hutch.Model.Machine;

/// <summary>The page that tells a guest how its time stamp counter relates to real time, and when it does no more (Linux, uapi/linux/vmclock-abi.h).</summary>
/// <param name="Id">Device name.</param>
public sealed record VmClockConfig(string Id) : DeviceConfig(Id);
