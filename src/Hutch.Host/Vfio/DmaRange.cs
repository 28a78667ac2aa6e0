namespace Hutch.Host.Vfio;

/// <summary>Memory of this process that a device of the host may read and write.</summary>
/// <param name="Address">Where the device has it, page aligned.</param>
/// <param name="Host">Where this process has it, page aligned.</param>
/// <param name="LengthBytes">Its length in whole pages.</param>
public readonly record struct DmaRange(ulong Address, nint Host, ulong LengthBytes);
