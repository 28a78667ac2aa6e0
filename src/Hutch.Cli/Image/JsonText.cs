using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Hutch.Cli.Image;

/// <summary>
/// Writes values as JSON, indented by four: lists of members are objects, other lists arrays, and strings, numbers and truth values themselves. Members come
/// in the order of <see cref="DictionaryOrder"/>.
/// </summary>
internal static class JsonText
{
    /// <summary>The text, without a line end.</summary>
    internal static string Of(object value)
    {
        StringBuilder text = new();
        Append(text, value, 0);
        return text.ToString();
    }

    /// <summary>Appends a string in quotes; what is not ASCII is escaped.</summary>
    internal static void AppendString(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (char c in value)
        {
            switch (c)
            {
                case '"': text.Append("\\\""); break;
                case '\\': text.Append("\\\\"); break;
                case '\b': text.Append("\\b"); break;
                case '\f': text.Append("\\f"); break;
                case '\n': text.Append("\\n"); break;
                case '\r': text.Append("\\r"); break;
                case '\t': text.Append("\\t"); break;
                case < ' ' or > '~': text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}"); break;
                default: text.Append(c); break;
            }
        }
        text.Append('"');
    }

    private static void Append(StringBuilder text, object value, int depth)
    {
        switch (value)
        {
            case string s:
                AppendString(text, s);
                break;
            case bool b:
                text.Append(b ? "true" : "false");
                break;
            case IReadOnlyList<KeyValuePair<string, object>> members:
                AppendObject(text, members, depth);
                break;
            case IReadOnlyList<object> items:
                AppendArray(text, items, depth);
                break;
            default:
                text.Append(CultureInfo.InvariantCulture, $"{value}");
                break;
        }
    }

    private static void AppendObject(StringBuilder text, IReadOnlyList<KeyValuePair<string, object>> members, int depth)
    {
        text.Append('{');
        string separator = "";
        foreach ((string name, object value) in DictionaryOrder.Sort(members))
        {
            text.Append(separator);
            NewLine(text, depth + 1);
            AppendString(text, name);
            text.Append(": ");
            Append(text, value, depth + 1);
            separator = ",";
        }
        NewLine(text, depth);
        text.Append('}');
    }

    private static void AppendArray(StringBuilder text, IReadOnlyList<object> items, int depth)
    {
        text.Append('[');
        string separator = "";
        foreach (object item in items)
        {
            text.Append(separator);
            NewLine(text, depth + 1);
            Append(text, item, depth + 1);
            separator = ",";
        }
        NewLine(text, depth);
        text.Append(']');
    }

    private static void NewLine(StringBuilder text, int depth) => text.Append('\n').Append(' ', depth * 4);
}
