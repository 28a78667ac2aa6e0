using System;
using System.IO;

namespace Hutch.Block.Opening;

/// <summary>What stands in a file name: a protocol in front, a path, a description.</summary>
internal static class FileNames
{
    /// <summary>The prefix of descriptions of nodes.</summary>
    internal const string Description = "json:";

    /// <summary>The protocol in front of a colon that no slash precedes ("nbd" of "nbd://host"); null for a path.</summary>
    internal static string? ProtocolOf(string name)
    {
        int end = name.AsSpan().IndexOfAny(':', '/');
        return end >= 0 && name[end] == ':' ? name[..end] : null;
    }

    /// <summary>The path of a local file, without "file:"; null for what is none. It is a path wherever it is read again: "./" comes before one with a colon.</summary>
    internal static string? LocalPath(string name) => ProtocolOf(name) switch
    {
        null => name,
        "file" when name["file:".Length..] is string path => ProtocolOf(path) is null ? path : $"./{path}",
        _ => null,
    };

    /// <summary>
    /// What <paramref name="name"/>, as it stands in the metadata of the image <paramref name="owner"/>, means there: relative paths count from the
    /// image's folder. Null where there is no such folder to count from.
    /// </summary>
    internal static string? Resolve(string owner, string name)
    {
        if (name.Length == 0 || ProtocolOf(name) is not null || name[0] == '/') return name;
        if (owner.StartsWith(Description, StringComparison.Ordinal)) return null;
        int slash = owner.LastIndexOf('/');
        int start = ProtocolOf(owner) is string protocol ? protocol.Length + 1 : 0;
        return slash < start ? owner[..start] + name : owner[..(slash + 1)] + name;
    }

    /// <summary>A name for a local file that loops can be recognised by.</summary>
    internal static string Identity(string name) => LocalPath(name) is string path && path.Length > 0 ? Path.GetFullPath(path) : name;
}
