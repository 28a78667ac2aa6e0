namespace Hutch.Devices.Firmware;

/// <summary>Something that firmware can boot from.</summary>
/// <param name="Index">Its place in the order; lower ones are tried first.</param>
/// <param name="Path">Its path as Open Firmware writes it and QEMU's firmware expects it (QEMU docs/specs/fw_cfg, "bootorder"), for example <c>/pci@i0cf8/scsi@3/disk@0,0</c>.</param>
internal readonly record struct BootDevice(int Index, string Path);
