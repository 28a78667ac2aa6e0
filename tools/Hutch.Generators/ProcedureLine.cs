using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;

namespace Hutch.Generators;

/// <summary>One field of a structure: its name as the table spells it and its type's notation.</summary>
internal sealed record WireField(string Name, string Type);

/// <summary>One line of the table of procedures that says something.</summary>
/// <param name="Kind"><c>program</c>, <c>struct</c>, <c>event</c>, or the access of a procedure.</param>
/// <param name="Number">Number of the program, procedure or event; 0 for a structure.</param>
/// <param name="Name">Name as the table spells it.</param>
/// <param name="Fields">Fields of the structure, of the arguments, or of the event's body.</param>
/// <param name="Reply">Fields of the reply; null for what has none by its nature.</param>
internal sealed record ProcedureLine(string Kind, uint Number, string Name, IReadOnlyList<WireField> Fields, IReadOnlyList<WireField>? Reply)
{
    private static readonly char[] Space = [' ', '\t'];

    /// <summary>Reads a line; null for a comment or an empty one. Throws <see cref="FormatException"/>.</summary>
    internal static ProcedureLine? Parse(string line)
    {
        string said = line.Split('#')[0].Trim();
        if (said.Length == 0) return null;
        string[] words = said.Split(Space, 3, StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 3) throw new FormatException($"'{line}' is too short.");
        if (words[0] == "program") return new ProcedureLine(words[0], uint.Parse(words[2], NumberStyles.HexNumber, CultureInfo.InvariantCulture), words[1], [], null);
        if (words[0] == "struct") return new ProcedureLine(words[0], 0, words[1], ParseFields(words[2]), null);
        uint number = uint.Parse(words[1], CultureInfo.InvariantCulture);
        string[] rest = words[2].Split(Space, 2, StringSplitOptions.RemoveEmptyEntries);
        if (words[0] == "event") return new ProcedureLine(words[0], number, rest[0], ParseFields(rest[1]), null);
        string[] sides = rest[1].Split(["->"], StringSplitOptions.None);
        if (sides.Length != 2) throw new FormatException($"'{line}' has no reply.");
        return new ProcedureLine(words[0], number, rest[0], ParseFields(sides[0]), ParseFields(sides[1]));
    }

    /// <summary>The name in the spelling of C#: <c>NODE_GET_INFO</c> and <c>node_get_info</c> are NodeGetInfo.</summary>
    internal static string Pascal(string name) => string.Concat(name.Split('_').Select(part => part.Length == 0 ? "" :
        char.ToUpperInvariant(part[0]) + (part.All(letter => !char.IsLower(letter)) ? part.Substring(1).ToLowerInvariant() : part.Substring(1))));

    private static List<WireField> ParseFields(string text)
    {
        string inner = text.Trim();
        if (!inner.StartsWith('(') || !inner.EndsWith(')')) throw new FormatException($"'{text}' is no list of fields.");
        List<WireField> fields = [];
        foreach (string field in inner.Substring(1, inner.Length - 2).Split([','], StringSplitOptions.RemoveEmptyEntries))
        {
            string[] sides = field.Trim().Split(':');
            if (sides.Length != 2) throw new FormatException($"'{field}' is no NAME:TYPE.");
            fields.Add(new WireField(sides[0], sides[1]));
        }
        return fields;
    }
}
