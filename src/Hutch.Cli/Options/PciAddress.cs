using System.Globalization;

namespace Hutch.Cli.Options;

/// <summary>Addresses of PCI functions of the host: domain, bus, device and function, in hexadecimal.</summary>
internal static class PciAddress
{
    private const int MostDevices = 32, MostFunctions = 8;

    /// <summary>Reads DDDD:BB:DD.F, or BB:DD.F for domain 0, into the form that sysfs has.</summary>
    internal static bool TryRead(string? text, out string address)
    {
        address = "";
        string[] parts = (text ?? "").Split(':', '.');
        if (parts.Length == 3) parts = ["0", .. parts];
        if (parts.Length != 4 || text!.LastIndexOf('.') < text.LastIndexOf(':')) return false;
        int[] numbers = new int[4];
        for (int i = 0; i < numbers.Length; i++)
            if (!int.TryParse(parts[i], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out numbers[i])) return false;
        if ((uint)numbers[0] > ushort.MaxValue || (uint)numbers[1] > byte.MaxValue || (uint)numbers[2] >= MostDevices || (uint)numbers[3] >= MostFunctions) return false;
        address = string.Create(CultureInfo.InvariantCulture, $"{numbers[0]:x4}:{numbers[1]:x2}:{numbers[2]:x2}.{numbers[3]:x}");
        return true;
    }
}
