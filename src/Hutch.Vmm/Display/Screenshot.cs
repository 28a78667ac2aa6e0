using System;
using System.Collections.Generic;
using System.IO;
using Hutch.Devices;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Hutch.Model.Control;

namespace Hutch.Vmm.Display;

/// <summary>Writes what a screen shows to a file, in the format that its name ends with.</summary>
internal static class Screenshot
{
    /// <summary>Carries out the verb, on the thread of a connection. Does not throw.</summary>
    /// <param name="options">The request's: <c>file</c>, an absolute path.</param>
    /// <param name="screens">The machine's screens, of which the front one is taken.</param>
    internal static VmReply Take(IReadOnlyDictionary<string, string> options, IReadOnlyList<IScreen> screens)
    {
        if (!options.TryGetValue("file", out string? path) || options.Count != 1 || !Path.IsPathRooted(path)) return VmReply.Error("The verb 'screenshot' has the option 'file', an absolute path.");
        if (screens.Count == 0) return VmReply.Error("The machine has no screen; start it with --display vnc=127.0.0.1:0 or --device VGA.");
        Func<ScreenFrame, byte[]>? format = Path.GetExtension(path).ToLowerInvariant() switch { ".png" => PictureFile.ToPng, ".ppm" => PictureFile.ToPpm, _ => null };
        if (format is null) return VmReply.Error($"'{path}' is no name of a picture; let it end with .png or .ppm.");
        ScreenFrame frame = new();
        new FrontScreen(screens).Draw(frame);
        try
        {
            using ReplacementFile file = ReplacementFile.Create(path);
            file.File.Write(0, format(frame));
            file.Commit();
            return VmReply.Completed;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or LinuxException)
        {
            return VmReply.Error($"The screenshot {path} cannot be written: {refused.Message}");
        }
    }
}
