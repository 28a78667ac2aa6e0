using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;

namespace Hutch.Cli.Options;

/// <summary>The values of <c>--smbios</c>: OEM strings (SMBIOS 3.6 §7.12), which are how systemd in the guest gets credentials.</summary>
internal static class SmbiosOption
{
    /// <summary>What the option looks like, for help and messages.</summary>
    internal const string Form = "type=11,value=TEXT";

    // The structure counts in one byte. The structures share 64 KiB below 1 MiB with what firmware puts there.
    private const int MostStrings = 255, MostBytes = 32 << 10;

    /// <summary>Reads all of them. Throws <see cref="UserException"/>.</summary>
    internal static ImmutableArray<string> Parse(IReadOnlyList<string> values)
    {
        ImmutableArray<string>.Builder strings = ImmutableArray.CreateBuilder<string>();
        int bytes = 0;
        foreach (string value in values)
        {
            string text = Text(value);
            bytes += text.Length + 1;
            if (strings.Count == MostStrings || bytes > MostBytes)
                throw OptionText.Bad("--smbios", value, $"a machine has up to {MostStrings} strings with {MostBytes >> 10} KiB together; give large data with --fw-cfg.");
            strings.Add(text);
        }
        return strings.ToImmutable();
    }

    private static string Text(string value)
    {
        if (OptionText.Split(value) is not ["type=11", string part] || OptionText.KeyValue(part) is not ("value", { Length: > 0 } text)) throw OptionText.Bad("--smbios", value, $"write {Form}.");
        return text.All(static letter => letter is >= ' ' and <= '~') ? text : throw OptionText.Bad("--smbios", value, "a string is of printable ASCII; a credential takes other bytes as base64.");
    }
}
