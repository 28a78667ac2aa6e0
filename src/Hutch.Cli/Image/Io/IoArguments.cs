using System;
using System.Collections.Generic;
using Hutch.Block.Options;

namespace Hutch.Cli.Image.Io;

/// <summary>A command's options and operands. Throws <see cref="UsageException"/> with the text to print, or <see cref="IoArgumentException"/>.</summary>
internal sealed class IoArguments
{
    /// <summary>Most bytes of one request.</summary>
    internal const long MostBytes = int.MaxValue / 512 * 512L;

    private readonly Dictionary<char, string> _options = [];

    /// <summary>Reads arguments; <paramref name="letters"/> as for getopt(3).</summary>
    internal IoArguments(IReadOnlyList<string> arguments, string letters)
    {
        bool isOver = false;
        for (int i = 0; i < arguments.Count; i++)
        {
            string word = arguments[i];
            if (!isOver && word == "--")
            {
                isOver = true;
                continue;
            }
            if (isOver || word.Length < 2 || word[0] != '-')
            {
                Operands.Add(word);
                continue;
            }
            for (int at = 1; at < word.Length; at++)
            {
                int index = letters.IndexOf(word[at], StringComparison.Ordinal);
                if (index < 0 || word[at] == ':') throw new IoArgumentException();
                if (index + 1 >= letters.Length || letters[index + 1] != ':')
                {
                    _options[word[at]] = "";
                    continue;
                }
                if (at + 1 < word.Length) _options[word[at]] = word[(at + 1)..];
                else if (++i < arguments.Count) _options[word[at]] = arguments[i];
                else throw new IoArgumentException();
                break;
            }
        }
    }

    /// <summary>What is no option.</summary>
    internal List<string> Operands { get; } = [];

    /// <summary>The option is there.</summary>
    internal bool Has(char option) => _options.ContainsKey(option);

    /// <summary>The option's value; null where it is not there.</summary>
    internal string? Value(char option) => _options.GetValueOrDefault(option);

    /// <summary>A byte; null where the option is not there.</summary>
    internal byte? Pattern(char option)
    {
        if (Value(option) is not string text) return null;
        bool isHex = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        System.Globalization.NumberStyles style = isHex ? System.Globalization.NumberStyles.AllowHexSpecifier : System.Globalization.NumberStyles.None;
        if (int.TryParse(isHex ? text.AsSpan(2) : text, style, System.Globalization.CultureInfo.InvariantCulture, out int value) && value is >= 0 and <= 255) return (byte)value;
        throw new UsageException($"{text} is not a valid pattern byte");
    }

    /// <summary>A size; null where the option is not there.</summary>
    internal long? Size(char option) => Value(option) is string text ? Number(text) : null;

    /// <summary>A number or a size.</summary>
    internal static long Number(string text)
    {
        SizeError error = SizeText.Parse(text, out ulong bytes);
        if (error == SizeError.Invalid) throw new UsageException($"Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- {text}");
        if (error == SizeError.TooLarge || bytes > long.MaxValue) throw new UsageException($"Parsing error: argument too large -- {text}");
        return (long)bytes;
    }

    /// <summary>The length of a request.</summary>
    internal static long Length(string text, bool isLimited = true)
    {
        long bytes = Number(text);
        return bytes <= MostBytes || !isLimited ? bytes : throw new UsageException($"length cannot exceed {MostBytes}, given {text}");
    }
}
