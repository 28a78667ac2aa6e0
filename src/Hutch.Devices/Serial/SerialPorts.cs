namespace Hutch.Devices.Serial;

/// <summary>Where the PC's four serial ports are; the ACPI tables say the same.</summary>
internal static class SerialPorts
{
    /// <summary>COM1 to COM4.</summary>
    public const int Count = 4;

    /// <summary>Length of a port's registers in bytes.</summary>
    public const int LengthBytes = 8;

    /// <summary>First I/O port of COM<paramref name="number"/> (1 to 4).</summary>
    public static ushort PortOf(int number) => number switch
    {
        1 => 0x3f8,
        2 => 0x2f8,
        3 => 0x3e8,
        _ => 0x2e8,
    };

    /// <summary>Interrupt of COM<paramref name="number"/>: 4 for odd numbers, 3 for even.</summary>
    public static int GsiOf(int number) => number % 2 == 1 ? 4 : 3;
}
