namespace Hutch.Model.Machine;

/// <summary>The watchdog timer of an Intel 6300ESB: a guest that does not stop it in time is in trouble.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Action">What happens then.</param>
public sealed record WatchdogConfig(string Id, AlarmAction Action = AlarmAction.Reset) : DeviceConfig(Id);

/// <summary>The device by which a guest's kernel says that it panicked (QEMU docs/specs/pvpanic).</summary>
/// <param name="Id">Device name.</param>
/// <param name="Action">What happens then.</param>
public sealed record PvpanicConfig(string Id, AlarmAction Action = AlarmAction.Pause) : DeviceConfig(Id);

/// <summary>What happens to a machine whose guest is in trouble. The operator is told in any case.</summary>
public enum AlarmAction
{
    /// <summary>Nothing more.</summary>
    None,

    /// <summary>It is paused.</summary>
    Pause,

    /// <summary>It is reset.</summary>
    Reset,

    /// <summary>It ends, as if its guest had switched it off.</summary>
    PowerOff,
}
