using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using Hutch.Block.Formats;

namespace Hutch.Block.Options;

/// <summary>
/// Reads what follows "json:" in a file name: an object, whose members become options with dotted names. Strings may stand in single quotes. Throws
/// <see cref="ImageException"/>.
/// </summary>
internal ref struct JsonDescription
{
    private const int MaxDepth = 64;

    private readonly ReadOnlySpan<char> _text;
    private readonly Dictionary<string, string> _options;
    private int _at;

    private JsonDescription(ReadOnlySpan<char> text)
    {
        _text = text;
        _options = new Dictionary<string, string>(StringComparer.Ordinal);
    }

    /// <summary>Reads the description in <paramref name="text"/>, without "json:".</summary>
    internal static OptionSet Parse(ReadOnlySpan<char> text)
    {
        JsonDescription reader = new(text);
        if (reader.Next() != '{') throw new ImageException("Could not parse the JSON options");
        reader.ReadValue("", 0);
        if (reader.Next() != '\0') throw Bad();
        return new OptionSet(reader._options);
    }

    private static ImageException Bad() => new("Could not parse the JSON options");

    // The next character that is no space; 0 at the end.
    private char Next()
    {
        while (_at < _text.Length && char.IsWhiteSpace(_text[_at])) _at++;
        return _at < _text.Length ? _text[_at] : '\0';
    }

    private void ReadValue(string name, int depth)
    {
        if (depth > MaxDepth) throw Bad();
        switch (Next())
        {
            case '{':
                ReadObject(name, depth);
                break;
            case '[':
                ReadArray(name, depth);
                break;
            case '"' or '\'':
                _options[name] = ReadString();
                break;
            default:
                _options[name] = ReadWord();
                break;
        }
    }

    private void ReadObject(string name, int depth)
    {
        _at++;
        if (Next() == '}')
        {
            _at++;
            return;
        }
        while (true)
        {
            if (Next() is not ('"' or '\'')) throw Bad();
            string member = ReadString();
            if (Next() != ':') throw Bad();
            _at++;
            ReadValue(name.Length == 0 ? member : $"{name}.{member}", depth + 1);
            char next = Next();
            _at++;
            if (next == '}') return;
            if (next != ',') throw Bad();
        }
    }

    private void ReadArray(string name, int depth)
    {
        _at++;
        if (Next() == ']')
        {
            _at++;
            return;
        }
        for (int i = 0; ; i++)
        {
            ReadValue(string.Create(CultureInfo.InvariantCulture, $"{name}.{i}"), depth + 1);
            char next = Next();
            _at++;
            if (next == ']') return;
            if (next != ',') throw Bad();
        }
    }

    private string ReadWord()
    {
        int start = _at;
        while (_at < _text.Length && (char.IsAsciiLetterOrDigit(_text[_at]) || _text[_at] is '-' or '+' or '.')) _at++;
        ReadOnlySpan<char> word = _text[start.._at];
        return word switch
        {
            "true" => "on",
            "false" => "off",
            "null" => "",
            _ when word.Length > 0 && (char.IsAsciiDigit(word[0]) || word[0] == '-') => word.ToString(),
            _ => throw Bad(),
        };
    }

    private string ReadString()
    {
        char quote = _text[_at++];
        StringBuilder text = new();
        while (_at < _text.Length && _text[_at] != quote)
        {
            char c = _text[_at++];
            if (c == '\\')
            {
                if (_at >= _text.Length) throw Bad();
                c = ReadEscape(_text[_at++]);
            }
            text.Append(c);
        }
        if (_at++ >= _text.Length) throw Bad();
        return text.ToString();
    }

    private char ReadEscape(char escape)
    {
        switch (escape)
        {
            case 'b': return '\b';
            case 'f': return '\f';
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case '"' or '\'' or '\\' or '/': return escape;
            case 'u' when _at + 4 <= _text.Length && ushort.TryParse(_text.Slice(_at, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort code):
                _at += 4;
                return (char)code;
            default: throw Bad();
        }
    }
}
