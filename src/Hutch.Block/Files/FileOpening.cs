using System.Runtime.InteropServices;
using Hutch.Host.Files;
using Hutch.Host.Linux;

namespace Hutch.Block.Files;

/// <summary>Opens host files by name, and says what is wrong where that fails.</summary>
internal static class FileOpening
{
    private const int ErrorInvalid = 22, ErrorExists = 17;

    /// <summary>Opens an existing file. Throws <see cref="DiskOpenException"/>.</summary>
    internal static DiskFile Open(string path, DiskOpenFlags flags)
    {
        try
        {
            return DiskFile.Open(path, flags);
        }
        catch (LinuxException e)
        {
            throw OpenFailure(path, (flags & DiskOpenFlags.ReadOnly) != 0, e, (flags & DiskOpenFlags.Direct) != 0);
        }
    }

    /// <summary>Opens a file and makes it where it is not there. Throws <see cref="DiskOpenException"/>.</summary>
    internal static (DiskFile File, bool IsNew) Create(string path, DiskOpenFlags flags)
    {
        try
        {
            return (DiskFile.Open(path, flags | DiskOpenFlags.Create | DiskOpenFlags.Exclusive), true);
        }
        catch (LinuxException e) when (e.Errno == ErrorExists)
        {
            // It is there: the same without making it.
        }
        catch (LinuxException e)
        {
            throw CreateFailure(path, e);
        }
        try
        {
            return (DiskFile.Open(path, flags | DiskOpenFlags.Create), false);
        }
        catch (LinuxException e)
        {
            throw CreateFailure(path, e);
        }
    }

    private static DiskOpenException CreateFailure(string path, LinuxException e)
    {
        string text = Marshal.GetPInvokeErrorMessage(e.Errno);
        return new DiskOpenException($"Disk \"{path}\" cannot be created: {text} (errno {e.Errno}); check the folder and its permissions.", e) { Reason = $"Could not create '{path}': {text}" };
    }

    /// <summary>What is said of a file that cannot be opened.</summary>
    internal static DiskOpenException OpenFailure(string path, bool readOnly, LinuxException e, bool direct = false)
    {
        string message = e.Errno switch
        {
            2 or 20 => $"Disk \"{path}\" does not exist; create it, or check the path.",
            13 or 1 => $"Disk \"{path}\" may not be {(readOnly ? "read" : "read and written")} by this user; change its permissions{(readOnly ? "" : " or open it with readonly")}.",
            21 => $"Disk \"{path}\" is a directory; name the image file in it.",
            30 => $"Disk \"{path}\" lies on a read-only file system; open it with readonly.",
            26 => $"Disk \"{path}\" is busy; end what executes or uses it.",
            ErrorInvalid when direct => $"Disk \"{path}\" lies on a file system without direct access (O_DIRECT); use another cache mode than none and directsync.",
            _ => $"Disk \"{path}\" cannot be opened (errno {e.Errno}); check the path and the storage under it.",
        };
        string text = Marshal.GetPInvokeErrorMessage(e.Errno);
        return new DiskOpenException(message, e)
        {
            Reason = e.Errno == ErrorInvalid && direct ? $"Could not open '{path}': filesystem does not support O_DIRECT" : $"Could not open '{path}': {text}",
        };
    }
}
