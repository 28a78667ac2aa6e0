namespace Hutch.Devices.Ata;

/// <summary>Commands, status and error bits of ATA devices (ATA8-ACS §7, §6).</summary>
internal static class AtaRegisters
{
    internal const byte StatusError = 0x01, StatusRequest = 0x08, StatusSeek = 0x10, StatusReady = 0x40, StatusBusy = 0x80, StatusGood = StatusReady | StatusSeek;
    internal const byte ErrorAbort = 0x04, ErrorNotFound = 0x10, ErrorUncorrectable = 0x40;

    internal const byte DeviceLba = 0x40, DeviceFua = 0x80;
    internal const byte ControlReset = 0x04;

    internal const byte Nop = 0x00, DataSetManagement = 0x06, DeviceReset = 0x08, Recalibrate = 0x10;
    internal const byte ReadSectors = 0x20, ReadSectorsExt = 0x24, ReadDmaExt = 0x25, ReadNativeMaxExt = 0x27, ReadMultipleExt = 0x29, ReadLogExt = 0x2f;
    internal const byte WriteSectors = 0x30, WriteSectorsExt = 0x34, WriteDmaExt = 0x35, WriteMultipleExt = 0x39, WriteDmaFuaExt = 0x3d;
    internal const byte ReadVerify = 0x40, ReadVerifyExt = 0x42, ReadLogDmaExt = 0x47, ReadFpdma = 0x60, WriteFpdma = 0x61;
    internal const byte ExecuteDiagnostic = 0x90, InitializeParameters = 0x91, Packet = 0xa0, IdentifyPacket = 0xa1;
    internal const byte ReadMultiple = 0xc4, WriteMultiple = 0xc5, SetMultiple = 0xc6, ReadDma = 0xc8, WriteDma = 0xca, WriteMultipleFuaExt = 0xce;
    internal const byte StandbyImmediate = 0xe0, IdleImmediate = 0xe1, Standby = 0xe2, Idle = 0xe3, CheckPower = 0xe5, Sleep = 0xe6;
    internal const byte FlushCache = 0xe7, FlushCacheExt = 0xea, Identify = 0xec, SetFeatures = 0xef, ReadNativeMax = 0xf8;

    internal const uint DiskSignature = 0x0000_0101, PacketSignature = 0xeb14_0101;
}
