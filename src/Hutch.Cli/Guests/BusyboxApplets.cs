using System;
using System.Collections.Generic;
using System.Text;

namespace Hutch.Cli.Guests;

/// <summary>
/// Finds the names that a busybox program answers to, without running it: it keeps them in alphabetical order as one block of
/// NUL-terminated strings that begins with <c>[</c> and <c>[[</c>.
/// </summary>
internal static class BusyboxApplets
{
    /// <summary>The names. Where the block is not found only <c>sh</c>, which is enough for the init script to install the rest.</summary>
    internal static IReadOnlyList<string> List(ReadOnlySpan<byte> program)
    {
        int start = program.IndexOf("\0[\0[[\0"u8) + 1;
        List<string> names = [];
        while (start > 0)
        {
            int length = program[start..].IndexOf((byte)0);
            if (length <= 0 || !IsName(program.Slice(start, length))) break;
            string name = Encoding.ASCII.GetString(program.Slice(start, length));
            if (names.Count > 0 && string.CompareOrdinal(names[^1], name) >= 0) break;
            names.Add(name);
            start += length + 1;
        }
        return names.Contains("sh") && names.Contains("mount") ? names : ["sh"];
    }

    private static bool IsName(ReadOnlySpan<byte> text)
    {
        foreach (byte character in text)
            if (!char.IsAsciiLetterOrDigit((char)character) && character is not ((byte)'[' or (byte)'-' or (byte)'_' or (byte)'.')) return false;
        return text.Length <= 32;
    }
}
