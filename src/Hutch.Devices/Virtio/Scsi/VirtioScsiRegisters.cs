namespace Hutch.Devices.Virtio.Scsi;

/// <summary>Numbers of the SCSI host (virtio 1.2 §5.6).</summary>
internal static class VirtioScsiRegisters
{
    internal const ushort DeviceType = 8;

    // Queues (§5.6.2); those after them are for requests.
    internal const int ControlQueue = 0, EventQueue = 1, FirstRequestQueue = 2;

    // Feature bits (§5.6.3).
    internal const ulong FeatureHotplug = 1UL << 1, FeatureChange = 1UL << 2;

    // Configuration space (§5.6.4), and what it says after a reset.
    internal const int ConfigBytes = 36, QueueCount = 0, SegmentMax = 4, MaxSectors = 8, CommandsPerLun = 12, EventBytes = 16, SenseSize = 20, CommandSize = 24, MaxChannel = 28, MaxTarget = 30, MaxLun = 32;
    internal const int UsualSenseBytes = 96, UsualCommandBytes = 32;

    // A request: the header before the command, the response before the sense data (§5.6.6.1).
    internal const int HeaderBytes = 19, LunBytes = 8, ResponseBytes = 12;

    // Responses.
    internal const byte ResponseOk = 0, ResponseOverrun = 1, ResponseAborted = 2, ResponseBadTarget = 3, ResponseReset = 4, ResponseFailure = 9;
    internal const byte ResponseFunctionComplete = 0, ResponseFunctionRejected = 11, ResponseIncorrectLun = 12;

    // The control queue (§5.6.6.2).
    internal const uint ControlTask = 0, ControlQuery = 1, ControlSubscribe = 2;
    internal const uint AbortTask = 0, AbortTaskSet = 1, ClearTaskSet = 3, NexusReset = 4, LogicalUnitReset = 5;

    // Events (§5.6.6.3).
    internal const int EventInfoBytes = 16;
    internal const uint EventsMissed = 0x8000_0000, EventParameters = 3;
}
