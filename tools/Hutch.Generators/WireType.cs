using System;
using System.Text.RegularExpressions;

namespace Hutch.Generators;

/// <summary>What a type of the table is in C#, and the expressions that read and write it.</summary>
internal readonly struct WireType
{
    private static readonly Regex Notation = new(@"^(\w+)(?:(\?)|<(\d+)>|\[(\d+)\])?$");

    private WireType(string name, string read, string write) => (Name, Read, Write) = (name, read, write);

    /// <summary>The type in C#.</summary>
    internal string Name { get; }

    /// <summary>Expression that reads one from <c>xdr</c>.</summary>
    internal string Read { get; }

    /// <summary>Statement that writes the property <c>{0}</c> to <c>xdr</c>.</summary>
    internal string Write { get; }

    /// <summary>Understands a notation. Throws <see cref="FormatException"/>.</summary>
    internal static WireType Of(string notation)
    {
        Match match = Notation.Match(notation);
        if (!match.Success) throw new FormatException($"'{notation}' is no type.");
        string name = match.Groups[1].Value, most = match.Groups[3].Value, exactly = match.Groups[4].Value;
        bool isOptional = match.Groups[2].Success;
        if (name == "bytes" && most.Length != 0) return new WireType("byte[]", $"xdr.ReadBytes({most})", "xdr.WriteBytes({0});");
        if (Plain(name) is not var (type, method)) (type, method) = (name, "");
        if (exactly.Length != 0) return new WireType($"{type}[]", $"xdr.Read{method}Row({exactly})", $"xdr.Write{method}Row({{0}}, {exactly});");
        if (most.Length != 0)
            return method.Length != 0 ? new WireType($"{type}[]", $"xdr.Read{method}Array({most})", $"xdr.Write{method}Array({{0}});")
                : new WireType($"{type}[]", $"xdr.ReadArray<{type}>({most})", "xdr.WriteArray({0});");
        if (isOptional)
            return name == "str" ? new WireType("string?", "xdr.ReadOptionalString()", "xdr.WriteOptionalString({0});")
                : new WireType($"{type}?", $"xdr.ReadOptional<{type}>()", "xdr.WriteOptional({0});");
        return method.Length != 0 ? new WireType(type, $"xdr.Read{method}()", $"xdr.Write{method}({{0}});")
            : new WireType(type, $"{type}.Read(ref xdr)", "{0}.Write(xdr);");
    }

    private static (string Type, string Method)? Plain(string name) => name switch
    {
        "i32" => ("int", "Int32"),
        "u32" => ("uint", "UInt32"),
        "i64" => ("long", "Int64"),
        "u64" => ("ulong", "UInt64"),
        "f64" => ("double", "Double"),
        "char" => ("byte", "Char"),
        "str" => ("string", "String"),
        "uuid" => ("System.Guid", "Uuid"),
        _ => null,
    };
}
