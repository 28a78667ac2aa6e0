using System;
using System.Globalization;

namespace Hutch.Model.Machine;

/// <summary>Addresses of network cards (IEEE 802): six bytes, written <c>52:54:00:12:34:56</c>.</summary>
public static class MacAddress
{
    /// <summary>Bytes of an address.</summary>
    public const int Bytes = 6;

    /// <summary>Reads one that a card can have: not a group's, not zero. False, with nothing promised, for anything else.</summary>
    public static bool TryParse(string? text, Span<byte> address)
    {
        if (text is not { Length: 17 }) return false;
        int sum = 0;
        for (int i = 0; i < Bytes; i++)
        {
            if (i != 0 && text[(3 * i) - 1] is not (':' or '-')) return false;
            if (!byte.TryParse(text.AsSpan(3 * i, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out address[i])) return false;
            sum |= address[i];
        }
        return sum != 0 && (address[0] & 1) == 0;
    }

    /// <summary>Writes one.</summary>
    public static string Format(ReadOnlySpan<byte> address) =>
        string.Create(CultureInfo.InvariantCulture, $"{address[0]:x2}:{address[1]:x2}:{address[2]:x2}:{address[3]:x2}:{address[4]:x2}:{address[5]:x2}");

    /// <summary>
    /// The address of a card that was given none: of the block 52:54:00, which virtual machines use, and always the same for the same machine and card.
    /// </summary>
    /// <param name="machine">The machine's name.</param>
    /// <param name="card">The card's name.</param>
    public static string Of(string machine, string card)
    {
        // FNV-1a over both names with a separator that neither has; the bits are mixed once more, for the last letters move few of them.
        ulong hash = 0xcbf2_9ce4_8422_2325;
        foreach (char letter in $"{machine}\n{card}") hash = (hash ^ letter) * 0x100_0000_01b3;
        hash ^= hash >> 32;
        hash *= 0x9e37_79b9_7f4a_7c15;
        return Format([0x52, 0x54, 0x00, (byte)(hash >> 56), (byte)(hash >> 48), (byte)(hash >> 40)]);
    }
}
