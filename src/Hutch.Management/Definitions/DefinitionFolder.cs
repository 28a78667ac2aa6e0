using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Hutch.Host.Files;
using Hutch.Host.Linux;

namespace Hutch.Management.Definitions;

/// <summary>
/// What is kept of objects while the daemon does not run: a folder with a JSON file for each. A file is replaced as a whole and is durable when <see cref="Save"/> returns, so that a crash at
/// any moment leaves the old content or the new one. One thread at a time for each object.
/// </summary>
/// <param name="folder">The folder; made when something is first saved.</param>
/// <param name="json">How an object is written.</param>
public sealed class DefinitionFolder<T>(string folder, JsonTypeInfo<T> json)
    where T : class
{
    private const string Ending = ".json";

    /// <summary>The longest file that is read, in bytes.</summary>
    public const int MostBytes = 4 << 20;

    /// <summary>
    /// Reads all, by name. A file that cannot be used is left where it is and told to <paramref name="complain"/>, with its path and the cause: one broken file must not take the others along.
    /// </summary>
    public IReadOnlyList<(string Name, T Definition)> Load(Action<string> complain)
    {
        List<(string, T)> found = [];
        if (!Directory.Exists(folder)) return found;
        string[] paths = Directory.GetFiles(folder, $"*{Ending}");
        Array.Sort(paths, StringComparer.Ordinal);
        foreach (string path in paths)
        {
            try
            {
                if (new FileInfo(path).Length > MostBytes) throw new JsonException($"it has more than {MostBytes} bytes");
                T definition = JsonSerializer.Deserialize(File.ReadAllBytes(path), json) ?? throw new JsonException("it holds nothing");
                found.Add((NameOf(Path.GetFileNameWithoutExtension(path)), definition));
            }
            catch (Exception unusable) when (unusable is JsonException or IOException or UnauthorizedAccessException or FormatException or ArgumentException)
            {
                complain($"{path} cannot be used and is left alone: {unusable.Message}");
            }
        }
        return found;
    }

    /// <summary>Writes one; it is durable on return. Throws <see cref="ManagementException"/> where the disk refuses.</summary>
    public void Save(string name, T definition)
    {
        string path = PathOf(name);
        try
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            using ReplacementFile file = ReplacementFile.Create(path);
            file.File.Write(0, JsonSerializer.SerializeToUtf8Bytes(definition, json));
            file.Commit();
        }
        catch (Exception refused) when (refused is IOException or LinuxException or UnauthorizedAccessException)
        {
            throw new ManagementException(FailureKind.HostFailed, $"'{name}' cannot be kept in {path}: {refused.Message}");
        }
    }

    /// <summary>Forgets one; that is durable on return. Nothing happens where there is none. Throws <see cref="ManagementException"/>.</summary>
    public void Remove(string name)
    {
        string path = PathOf(name);
        try
        {
            if (!File.Exists(path)) return;
            File.Delete(path);
            DiskFile.SyncDirectoryOf(path);
        }
        catch (Exception refused) when (refused is IOException or LinuxException or UnauthorizedAccessException)
        {
            throw new ManagementException(FailureKind.HostFailed, $"{path}, where '{name}' is kept, cannot be removed: {refused.Message}");
        }
    }

    // A name may hold what no file's name can, and begin with a dot; the rest stays as it is, for people who look.
    private string PathOf(string name)
    {
        StringBuilder file = new();
        foreach (byte letter in Encoding.UTF8.GetBytes(name))
        {
            bool isPlain = letter > ' ' && letter < 127 && letter is not ((byte)'/' or (byte)'%') && (letter != '.' || file.Length != 0);
            _ = isPlain ? file.Append((char)letter) : file.Append('%').Append(letter.ToString("x2", System.Globalization.CultureInfo.InvariantCulture));
        }
        return Path.Combine(folder, $"{file}{Ending}");
    }

    private static string NameOf(string file) => Uri.UnescapeDataString(file);
}
