namespace Hutch.Devices.Acpi;

/// <summary>ACPI tables, ready to be copied into guest RAM.</summary>
/// <param name="BaseAddress">Guest physical address of the first byte.</param>
/// <param name="Image">The bytes, RSDP included.</param>
/// <param name="RsdpAddress">Guest physical address of the RSDP: 16-byte aligned and in the range that guests search.</param>
public sealed record AcpiImage(ulong BaseAddress, byte[] Image, ulong RsdpAddress);
