using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using Hutch.Host.Files;

namespace Hutch.Cli.Doctor;

/// <summary>The host's files below a root, which is another folder than / when a test describes a host. What cannot be read is absent.</summary>
internal sealed class HostFiles(string root)
{
    /// <summary>The path of <paramref name="path"/>, which begins with a slash, on this machine.</summary>
    internal string At(string path) => root == "/" ? path : root + path;

    /// <summary>True when there is a file, a folder or a node of that name.</summary>
    internal bool Exists(string path) => Path.Exists(At(path));

    /// <summary>The whole text without blanks around it, or null.</summary>
    internal string? Text(string path) => KernelFile.Text(At(path));

    /// <summary>The lines of a text; none when it is absent.</summary>
    internal string[] Lines(string path) => Text(path)?.Split('\n') ?? [];

    /// <summary>A whole number, decimal, or null.</summary>
    internal long? Number(string path) => long.TryParse(Text(path), NumberStyles.Integer, CultureInfo.InvariantCulture, out long value) ? value : null;

    /// <summary>What follows <c>name:</c> in a text of such lines, for example of /proc/meminfo; null when the line is not there.</summary>
    internal string? Field(string path, string name) =>
        Lines(path).Select(line => line.Split(':', 2)).FirstOrDefault(parts => parts.Length == 2 && parts[0].Trim() == name)?[1].Trim();

    /// <summary>A field in kB as bytes, or null.</summary>
    internal ulong? KilobyteField(string path, string name) =>
        ulong.TryParse(Field(path, name)?.Split(' ')[0], NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) ? value << 10 : null;

    /// <summary>Names in a folder, sorted; none when it is absent.</summary>
    internal IReadOnlyList<string> Names(string folder)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(At(folder)).Select(entry => Path.GetFileName(entry)).Order(StringComparer.Ordinal)];
        }
        catch (Exception absent) when (absent is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>The first bytes of a file, as many as there are; none when it is absent.</summary>
    internal byte[] Start(string path, int lengthBytes)
    {
        try
        {
            using FileStream file = File.OpenRead(At(path));
            byte[] start = new byte[lengthBytes];
            return start[..file.ReadAtLeast(start, lengthBytes, throwOnEndOfStream: false)];
        }
        catch (Exception absent) when (absent is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
