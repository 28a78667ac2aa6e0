using System;
using System.Collections.Generic;
using System.Text;
using Hutch.Block.Formats;

namespace Hutch.Block.Options;

/// <summary>Lists of options as -o, --object and --image-opts take them: "a=b,c=d", where ",," in a value is a comma.</summary>
public static class OptionList
{
    /// <summary>Whether lists can be joined with a comma: neither empty, nor beginning with a comma, nor ending in the middle of one.</summary>
    public static bool IsJoinable(ReadOnlySpan<char> text)
    {
        int commas = 0;
        for (int i = text.Length - 1; i >= 0 && text[i] == ','; i--) commas++;
        return text.Length != 0 && text[0] != ',' && (commas & 1) == 0;
    }

    /// <summary>Whether somebody asks what options there are: one of them is "help" or "?".</summary>
    public static bool AsksForHelp(string text)
    {
        foreach (string part in text.Split(','))
            if (part is "help" or "?") return true;
        return false;
    }

    /// <summary>
    /// Reads a list. A first option without "=" is the value of <paramref name="impliedName"/>; any other means "on", or "off" where it begins with "no".
    /// Throws <see cref="ImageException"/> for an option without a name.
    /// </summary>
    public static List<KeyValuePair<string, string>> Parse(string text, string? impliedName = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<KeyValuePair<string, string>> options = [];
        int at = 0;
        while (at < text.Length)
        {
            int end = text.AsSpan(at).IndexOfAny('=', ',');
            end = end < 0 ? text.Length : at + end;
            bool hasValue = end < text.Length && text[end] == '=';
            if (!hasValue && options.Count == 0 && impliedName is not null)
            {
                string value = ReadValue(text, ref at);
                options.Add(new(impliedName, value));
                continue;
            }
            string name = text[at..end];
            if (hasValue)
            {
                at = end + 1;
                string value = ReadValue(text, ref at);
                if (name.Length == 0) throw new ImageException("Invalid parameter ''");
                options.Add(new(name, value));
                continue;
            }
            at = end + 1;
            if (name.Length == 0) throw new ImageException("Invalid parameter ''");
            options.Add(name.StartsWith("no", StringComparison.Ordinal) && name.Length > 2 ? new(name[2..], "off") : new(name, "on"));
        }
        return options;
    }

    private static string ReadValue(string text, ref int at)
    {
        StringBuilder? unescaped = null;
        int start = at;
        while (at < text.Length)
        {
            if (text[at] != ',')
            {
                at++;
                continue;
            }
            if (at + 1 >= text.Length || text[at + 1] != ',') break;
            unescaped ??= new StringBuilder();
            unescaped.Append(text, start, at + 1 - start);
            at += 2;
            start = at;
        }
        string last = text[start..at];
        at++;
        return unescaped is null ? last : unescaped.Append(last).ToString();
    }
}
