using System;
using System.IO;
using Hutch.Host.Files;

namespace Hutch.Cli.Image;

/// <summary>A new file that was written under another name.</summary>
internal static class CompletedFile
{
    /// <summary>Makes the file durable and puts it in the place of <paramref name="path"/>, keeping the permissions of what was there.</summary>
    internal static void Place(string written, string path)
    {
        if (File.Exists(path)) File.SetUnixFileMode(written, File.GetUnixFileMode(path));
        using (DiskFile file = DiskFile.Open(written, readOnly: true)) file.SyncData();
        File.Move(written, path, overwrite: true);
        using DiskFile directory = DiskFile.Open(Path.GetDirectoryName(Path.GetFullPath(path))!, readOnly: true);
        directory.SyncData();
    }

    /// <summary>Removes what was begun. Never throws.</summary>
    internal static void Remove(string path)
    {
        try
        {
            if (DiskFile.FindKind(path) is DiskFileKind.Regular) File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The failure before this one is what counts.
        }
    }
}
