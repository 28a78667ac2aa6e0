using System.Globalization;
using Hutch.Devices;

namespace Hutch.Vmm.Run;

/// <summary>The size that a client asks for: bytes, or <c>+</c> and how many more.</summary>
internal static class DiskGrowth
{
    private const long SectorBytes = 512;

    /// <summary>The new length in bytes, rounded up to sectors. Throws <see cref="ConfigException"/>.</summary>
    /// <param name="text">What the client wrote.</param>
    /// <param name="disk">The disk's name, for the message.</param>
    /// <param name="lengthBytes">Its present length.</param>
    internal static long Of(string text, string disk, long lengthBytes)
    {
        bool more = text.StartsWith('+');
        if (!long.TryParse(more ? text[1..] : text, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes))
            throw new ConfigException($"'{text}' is no size for the disk {disk}; give bytes, or + and bytes.");
        if (bytes > long.MaxValue - SectorBytes - (more ? lengthBytes : 0))
            throw new ConfigException($"The disk {disk} cannot have {text} bytes: no disk is so long.");
        if (more) bytes += lengthBytes;
        bytes = (bytes + (SectorBytes - 1)) & -SectorBytes;
        if (bytes < lengthBytes)
            throw new ConfigException($"The disk {disk} has {lengthBytes} bytes and would lose what is behind {bytes}; shrink its image with 'hutch img resize --shrink' while the machine is off.");
        return bytes;
    }
}
