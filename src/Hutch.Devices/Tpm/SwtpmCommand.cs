namespace Hutch.Devices.Tpm;

/// <summary>Commands of swtpm's control channel (swtpm, include/swtpm/tpm_ioctl.h).</summary>
internal enum SwtpmCommand : uint
{
    GetCapability = 1,
    Init = 2,
    Shutdown = 3,
    GetEstablished = 4,
    SetLocality = 5,
    CancelTpmCommand = 9,
    GetStateBlob = 12,
    SetStateBlob = 13,
    Stop = 14,
    SetDataDescriptor = 16,
    SetBufferSize = 17,
}
