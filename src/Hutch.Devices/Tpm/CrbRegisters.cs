namespace Hutch.Devices.Tpm;

/// <summary>The registers of a command response buffer, locality 0 (TCG PC Client Platform TPM Profile 1.05, "PTP", §6.5.3).</summary>
internal static class CrbRegisters
{
    // Offsets.
    internal const int LocalityState = 0x00, LocalityControl = 0x08, LocalityStatus = 0x0c, InterfaceId = 0x30, VendorId = 0x34, ControlRequest = 0x40, ControlStatus = 0x44,
        Cancel = 0x48, Start = 0x4c, CommandBytes = 0x58, CommandAddress = 0x5c, ResponseBytes = 0x64, ResponseAddress = 0x68, Buffer = 0x80;

    // TPM_LOC_STATE: bit 0 is clear when there was a dynamic launch; the locality that is in use stays 0.
    internal const uint NotEstablished = 1, LocalityAssigned = 1 << 1, RegistersValid = 1 << 7;

    // TPM_LOC_CTRL, TPM_LOC_STS.
    internal const uint RequestAccess = 1, Relinquish = 1 << 1, Granted = 1;

    // TPM_CRB_CTRL_REQ, TPM_CRB_CTRL_STS.
    internal const uint CommandReady = 1, GoIdle = 1 << 1, IsIdle = 1 << 1;

    // TPM_CRB_CTRL_CANCEL, TPM_CRB_CTRL_START.
    internal const uint Invoke = 1;

    /// <summary>TPM_CRB_INTF_ID: a CRB of version 1, in use and selected, with locality 0 alone, transfers of 64 bytes and no FIFO.</summary>
    internal const uint Interface = 1 | 1 << 4 | 3 << 11 | 1 << 14 | 1 << 17;

    /// <summary>IBM, whose library the usual emulator is of.</summary>
    internal const uint Vendor = 0x1014;
}
