using System;
using System.Collections.Generic;
using System.IO;
using Hutch.Host.Firmware;
using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>The value of <c>--display</c>, and what of the host's files a display needs.</summary>
internal static class DisplayOption
{
    /// <summary>What the value looks like, for help and messages.</summary>
    internal const string Form = "vnc=[HOST]:N[,password-file=FILE][,tls=DIR][,websocket=on|PORT]|vnc=unix:PATH|none";

    private const uint MostPort = 65535, MostDisplay = MostPort - VncConfig.FirstPort;

    /// <summary>Reads the value; null: no display. Throws <see cref="UserException"/>.</summary>
    internal static VncConfig? Parse(string value)
    {
        List<string> parts = OptionText.Split(value);
        if (value == "none") return null;
        VncConfig display = ReadAddress(value, parts[0]);
        HashSet<string> seen = [];
        foreach (string part in parts[1..])
        {
            (string key, string? text) = OptionText.KeyValue(part);
            if (string.IsNullOrEmpty(text) || !seen.Add(key)) throw Bad(value);
            display = key switch
            {
                "password-file" => display with { PasswordPath = DiskOption.CheckedPath("--display", text) },
                "tls" => display with { TlsFolder = ReadFolder(text) },
                "websocket" => display with { WebSocketPort = ReadWebSocket(value, text, display) },
                _ => throw Bad(value),
            };
        }
        return display;
    }

    /// <summary>The image of the video BIOS. Throws <see cref="UserException"/> where there is none.</summary>
    /// <param name="isNeeded">Without it nothing would be seen; otherwise the answer may be null.</param>
    internal static string? FindVideoBios(bool isNeeded)
    {
        string? image = FirmwareFiles.VideoBios;
        if (image is null && isNeeded)
            throw new UserException($"The display's video BIOS is not installed (there is no {FirmwareFiles.UsualVideoBios}); install the package 'seabios', or boot with --firmware ovmf.", ExitStatus.BadConfiguration);
        return image;
    }

    private static UserException Bad(string value) => OptionText.Bad("--display", value, $"write {Form}.");

    private static VncConfig ReadAddress(string value, string part)
    {
        (string kind, string? where) = OptionText.KeyValue(part);
        if (kind != "vnc" || where is null) throw Bad(value);
        if (where.StartsWith("unix:", StringComparison.Ordinal) && where.Length > 5) return new VncConfig(null, 0, Path.GetFullPath(where[5..]));
        int colon = where.LastIndexOf(':');
        if (colon < 0 || !OptionText.TryNumber(where[(colon + 1)..], MostDisplay, out uint display))
            throw OptionText.Bad("--display", value, $"write {Form}; N is the number of the display, and the port is {VncConfig.FirstPort} more.");
        return new VncConfig(where[..colon].Trim('[', ']'), VncConfig.FirstPort + (int)display);
    }

    private static string ReadFolder(string path) => Directory.Exists(path) ? Path.GetFullPath(path)
        : throw new UserException($"--display: there is no folder {path} for tls; name one that holds server-cert.pem and server-key.pem.", ExitStatus.BadConfiguration);

    private static int ReadWebSocket(string value, string text, VncConfig display)
    {
        if (display.SocketPath is not null) throw OptionText.Bad("--display", value, "websocket is for a display with an address, not for a UNIX socket.");
        if (text == "on") return display.Port - VncConfig.FirstPort + VncConfig.FirstWebSocketPort;
        return OptionText.TryNumber(text, MostPort, out uint port) && port != 0 ? (int)port : throw OptionText.Bad("--display", value, "websocket is 'on' or a TCP port.");
    }
}
