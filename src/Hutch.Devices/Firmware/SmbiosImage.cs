namespace Hutch.Devices.Firmware;

/// <summary>SMBIOS entry point and structures, ready to be copied into guest RAM.</summary>
/// <param name="BaseAddress">Guest physical address of the first byte, which is the entry point.</param>
/// <param name="Image">The bytes.</param>
public sealed record SmbiosImage(ulong BaseAddress, byte[] Image);
