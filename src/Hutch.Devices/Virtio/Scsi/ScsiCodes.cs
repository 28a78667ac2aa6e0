namespace Hutch.Devices.Virtio.Scsi;

/// <summary>Operation codes, status and sense codes of SCSI disks (SPC-4, SBC-3).</summary>
internal static class ScsiCodes
{
    internal const byte TestUnitReady = 0x00, RequestSense = 0x03, Read6 = 0x08, Write6 = 0x0a, Inquiry = 0x12, ModeSense6 = 0x1a, StartStopUnit = 0x1b, PreventAllow = 0x1e;
    internal const byte ReadCapacity10 = 0x25, Read10 = 0x28, Write10 = 0x2a, SynchronizeCache10 = 0x35, WriteSame10 = 0x41, Unmap = 0x42, ModeSense10 = 0x5a;
    internal const byte Read16 = 0x88, Write16 = 0x8a, SynchronizeCache16 = 0x91, WriteSame16 = 0x93, ServiceActionIn16 = 0x9e, ReportLuns = 0xa0, Read12 = 0xa8, Write12 = 0xaa;
    internal const byte ActionReadCapacity16 = 0x10;

    internal const byte StatusGood = 0x00, StatusCheckCondition = 0x02;

    // Sense keys (SPC-4 §4.5.6).
    internal const byte NoSense = 0, MediumError = 3, IllegalRequest = 5, UnitAttention = 6, DataProtect = 7;

    // Additional sense: the code, then its qualifier (SPC-4 annex D).
    internal const ushort WriteError = 0x0c00, ReadError = 0x1100, ListLengthError = 0x1a00, InvalidCommand = 0x2000, OutOfRange = 0x2100, InvalidField = 0x2400, NoLogicalUnit = 0x2500;
    internal const ushort InvalidListField = 0x2600, WriteProtected = 0x2700, SpaceAllocationFailed = 0x2707, PowerOn = 0x2900, DeviceReset = 0x2903, CapacityChanged = 0x2a09, NoSavedParameters = 0x3900;

    /// <summary>Bytes of fixed sense data.</summary>
    internal const int SenseBytes = 18;
}
