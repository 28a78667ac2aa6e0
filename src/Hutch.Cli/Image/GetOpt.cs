using System;
using System.Collections.Generic;

namespace Hutch.Cli.Image;

/// <summary>
/// Options as getopt_long(3) reads them: short ones can stand together (-qf raw, -fraw), long ones can be cut short (--out=json), operands can stand
/// anywhere, and "--" ends the options.
/// </summary>
/// <param name="tool">Says what is wrong.</param>
/// <param name="arguments">The command's arguments, without its name.</param>
/// <param name="shortOptions">As for getopt(3): a letter, and a colon behind it where it takes a value. "+" in front: the first operand ends the options.</param>
/// <param name="longOptions">Names; "name=" takes a value, and "name:c" or "name=:c" is the same as the short option c.</param>
internal sealed class GetOpt(Tool tool, IReadOnlyList<string> arguments, string shortOptions, params string[] longOptions)
{
    private readonly bool _stopsAtOperand = shortOptions.StartsWith('+');
    private int _next;
    private int _within;

    /// <summary>The present option's value; empty for one that takes none.</summary>
    internal string Value { get; private set; } = "";

    /// <summary>The operands so far; all of them when <see cref="Next"/> returned null.</summary>
    internal List<string> Operands { get; } = [];

    /// <summary>Where the arguments that were not looked at begin; for "+" only.</summary>
    internal int Position => _next;

    /// <summary>The next option: a letter, or a long option's name. Null at the end. Throws <see cref="UsageException"/>.</summary>
    internal string? Next()
    {
        Value = "";
        if (_within > 0) return NextLetter();
        while (_next < arguments.Count)
        {
            string argument = arguments[_next];
            if (argument == "--")
            {
                _next++;
                break;
            }
            if (argument.StartsWith("--", StringComparison.Ordinal)) return NextLong(argument);
            if (argument.Length > 1 && argument[0] == '-')
            {
                _within = 1;
                return NextLetter();
            }
            if (_stopsAtOperand) return null;
            Operands.Add(argument);
            _next++;
        }
        if (_stopsAtOperand) return null;
        while (_next < arguments.Count) Operands.Add(arguments[_next++]);
        return null;
    }

    private string NextLetter()
    {
        string argument = arguments[_next];
        char letter = argument[_within++];
        int index = letter == ':' ? -1 : shortOptions.IndexOf(letter, StringComparison.Ordinal);
        bool isLast = _within >= argument.Length;
        if (index < 0 || letter == '+')
        {
            throw tool.Usage($"unrecognized option '{argument}'");
        }
        bool takesValue = index + 1 < shortOptions.Length && shortOptions[index + 1] == ':';
        if (takesValue)
        {
            if (!isLast) Value = argument[_within..];
            else if (++_next < arguments.Count) Value = arguments[_next];
            else throw tool.Usage($"missing argument for option '{argument}'");
        }
        if (takesValue || isLast)
        {
            _next++;
            _within = 0;
        }
        return letter.ToString();
    }

    private string NextLong(string argument)
    {
        int equals = argument.IndexOf('=', StringComparison.Ordinal);
        string name = equals < 0 ? argument[2..] : argument[2..equals];
        string? found = Find(name);
        if (found is null) throw tool.Usage($"unrecognized option '{argument}'");
        _next++;
        (string full, bool takesValue, string alias) = Split(found);
        if (!takesValue && equals >= 0) throw tool.Usage($"unrecognized option '{argument}'");
        if (takesValue)
        {
            if (equals >= 0) Value = argument[(equals + 1)..];
            else if (_next < arguments.Count) Value = arguments[_next++];
            else throw tool.Usage($"missing argument for option '{argument}'");
        }
        return alias.Length > 0 ? alias : full;
    }

    // The option of this name, or the only one that begins so.
    private string? Find(string name)
    {
        string? found = null;
        int count = 0;
        foreach (string option in longOptions)
        {
            string full = Split(option).Name;
            if (full == name) return option;
            if (!full.StartsWith(name, StringComparison.Ordinal)) continue;
            found = option;
            count++;
        }
        return count == 1 ? found : null;
    }

    private static (string Name, bool TakesValue, string Alias) Split(string option)
    {
        int colon = option.IndexOf(':', StringComparison.Ordinal);
        string name = colon < 0 ? option : option[..colon];
        bool takesValue = name.EndsWith('=');
        return (takesValue ? name[..^1] : name, takesValue, colon < 0 ? "" : option[(colon + 1)..]);
    }
}
