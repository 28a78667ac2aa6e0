using System.Collections.Generic;
using System.IO;
using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>The value of <c>--disk</c>: <c>PATH[,format=raw][,readonly]</c>. A comma in the path is written twice.</summary>
internal static class DiskOption
{
    /// <summary>Reads the option and sees that the file is there. Throws <see cref="UserException"/>.</summary>
    internal static DiskConfig Parse(string value)
    {
        List<string> parts = OptionText.Split(value);
        string? format = null;
        bool readOnly = false;
        for (int i = 1; i < parts.Count; i++)
        {
            (string key, string? text) = OptionText.KeyValue(parts[i]);
            switch (key)
            {
                case "readonly" when text is null or "on": readOnly = true; break;
                case "readonly" when text is "off": readOnly = false; break;
                case "format" when text is "raw": format = text; break;
                case "format": throw OptionText.Bad("--disk", value, $"the image format '{text}' is not known; this version reads raw images.");
                default: throw OptionText.Bad("--disk", value, $"'{parts[i]}' is not known; write PATH[,format=raw][,readonly].");
            }
        }
        return new DiskConfig(CheckedPath("--disk", parts[0]), format, readOnly);
    }

    /// <summary>Returns the absolute path of a file that exists and is no directory. Throws <see cref="UserException"/>.</summary>
    /// <param name="option">The option that named it, for the message.</param>
    /// <param name="path">The path as the user wrote it.</param>
    internal static string CheckedPath(string option, string path)
    {
        if (path.Length == 0) throw OptionText.Bad(option, path, "the path is missing.");
        if (Directory.Exists(path)) throw new UserException($"{option} '{path}': this is a directory; name a file.", ExitStatus.BadConfiguration);
        if (!File.Exists(path)) throw new UserException($"{option} '{path}': there is no such file.", ExitStatus.BadConfiguration);
        return Path.GetFullPath(path);
    }
}
