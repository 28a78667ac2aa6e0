using System;
using System.Collections.Generic;
using System.IO;
using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>The value of <c>--display</c>, and what of the host's files a display needs.</summary>
internal static class DisplayOption
{
    /// <summary>What the value looks like, for help and messages.</summary>
    internal const string Form = "vnc=[HOST]:N[,password-file=FILE]|vnc=unix:PATH|none";

    private const uint MostDisplay = 65535 - VncConfig.FirstPort;

    // Where distributions have SeaBIOS's video BIOS: Debian and its children, those that ship QEMU's copy, Fedora and its children.
    private static readonly string[] VideoBios = ["/usr/share/seabios/vgabios-stdvga.bin", "/usr/share/qemu/vgabios-stdvga.bin", "/usr/share/seavgabios/vgabios-stdvga.bin"];

    /// <summary>Reads the value; null: no display. Throws <see cref="UserException"/>.</summary>
    internal static VncConfig? Parse(string value)
    {
        List<string> parts = OptionText.Split(value);
        if (value == "none") return null;
        string? password = null;
        for (int i = 1; i < parts.Count; i++)
        {
            (string key, string? text) = OptionText.KeyValue(parts[i]);
            if (key != "password-file" || string.IsNullOrEmpty(text) || password is not null) throw OptionText.Bad("--display", value, $"write {Form}.");
            password = DiskOption.CheckedPath("--display", text);
        }
        (string kind, string? where) = OptionText.KeyValue(parts[0]);
        if (kind != "vnc" || where is null) throw OptionText.Bad("--display", value, $"write {Form}.");
        if (where.StartsWith("unix:", StringComparison.Ordinal) && where.Length > 5) return new VncConfig(null, 0, Path.GetFullPath(where[5..]), password);
        int colon = where.LastIndexOf(':');
        if (colon < 0 || !OptionText.TryNumber(where[(colon + 1)..], MostDisplay, out uint display))
            throw OptionText.Bad("--display", value, $"write {Form}; N is the number of the display, and the port is {VncConfig.FirstPort} more.");
        return new VncConfig(where[..colon].Trim('[', ']'), VncConfig.FirstPort + (int)display, null, password);
    }

    /// <summary>The image of the video BIOS. Throws <see cref="UserException"/> where there is none.</summary>
    /// <param name="isNeeded">Without it nothing would be seen; otherwise the answer may be null.</param>
    internal static string? FindVideoBios(bool isNeeded)
    {
        string? image = Array.Find(VideoBios, File.Exists);
        if (image is null && isNeeded)
            throw new UserException($"The display's video BIOS is not installed (there is no {VideoBios[0]}); install the package 'seabios', or boot with --firmware ovmf.", ExitStatus.BadConfiguration);
        return image;
    }
}
