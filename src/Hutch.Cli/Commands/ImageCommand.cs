using System;
using System.CommandLine;
using System.IO;
using System.Text;
using Hutch.Cli.Image;
using Hutch.Cli.Image.Io;

namespace Hutch.Cli.Commands;

/// <summary><c>hutch img</c>, and the names that the program is called by in place of other tools.</summary>
internal static class ImageCommand
{
    /// <summary>Runs an image tool where one is meant: by the first arguments, or by the program's own name.</summary>
    internal static bool TryRun(string[] arguments, out int status)
    {
        status = 0;
        if (arguments is ["img", "io", ..]) status = IoTool.Run("hutch img io", arguments[2..]);
        else if (arguments is ["img", ..]) status = ImageTool.Run("hutch img", arguments[1..]);
        else if (arguments is ["run", ..]) return false;
        else
        {
            switch (CalledName())
            {
                case "qemu-img":
                    status = ImageTool.Run("qemu-img", arguments);
                    break;
                case "qemu-io":
                    status = IoTool.Run("qemu-io", arguments);
                    break;
                default: return false;
            }
        }
        return true;
    }

    /// <summary>The command, for the list of commands; its arguments are read elsewhere.</summary>
    internal static Command Create() => new("img", "Makes, examines and changes disk images; 'hutch img --help' lists its commands.");

    // The runtime does not hand the name on by which the program was executed.
    private static string CalledName()
    {
        try
        {
            byte[] line = File.ReadAllBytes("/proc/self/cmdline");
            return Path.GetFileName(Encoding.UTF8.GetString(line.AsSpan()[..Math.Max(0, Array.IndexOf(line, (byte)0))]));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
