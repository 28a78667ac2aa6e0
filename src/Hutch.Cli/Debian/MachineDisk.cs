using System;
using System.Collections.Generic;
using System.IO;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Host.Files;
using Hutch.Model.Machine;

namespace Hutch.Cli.Debian;

/// <summary>The disk of a machine with a name: an overlay on an image of the cache, which stays when the machine ends.</summary>
internal static class MachineDisk
{
    private const string Suffix = ".qcow2";

    /// <summary>Where they all are. Throws <see cref="UserException"/> where the user has no such place.</summary>
    internal static string Folder() => Path.Combine(UserFolders.State
        ?? throw new UserException("There is no place for the disk of a machine with a name: set HOME or XDG_STATE_HOME to a directory of yours.", ExitStatus.BadConfiguration), "disks");

    /// <summary>Where the disk of <paramref name="machine"/> is, if it is.</summary>
    internal static string PathOf(string machine) => Path.Combine(Folder(), machine + Suffix);

    /// <summary>The names of the machines that have one.</summary>
    internal static IEnumerable<string> Names()
    {
        string folder = Folder();
        if (!Directory.Exists(folder)) yield break;
        string[] files = Directory.GetFiles(folder, $"*{Suffix}");
        Array.Sort(files, StringComparer.Ordinal);
        foreach (string file in files) yield return Path.GetFileNameWithoutExtension(file);
    }

    /// <summary>The image below the disk, whether it is there or not. Throws <see cref="UserException"/> for what is no overlay.</summary>
    internal static string Backing(string disk)
    {
        try
        {
            ImageNode node = Blocking.Wait(BlockGraph.OpenAsync(new BlockOpenRequest { Filename = disk, Format = "qcow2", ReadOnly = true, ForceShare = true, References = ReferencePolicy.NoBacking }, default));
            try
            {
                if (node.BackingReference is ImageReference reference) return reference.Name;
            }
            finally
            {
                Blocking.Wait(node.DisposeAsync());
            }
            throw new UserException($"The disk {disk} is no overlay on an image; boot it with 'hutch run {disk}'.", ExitStatus.BadConfiguration);
        }
        catch (Exception error) when (error is ImageException or BlockIoException)
        {
            throw new UserException($"The disk {disk} cannot be read: {error.Message.TrimEnd('.')}; examine it with 'hutch img check'.", ExitStatus.BadConfiguration);
        }
    }

    /// <summary>Makes the overlay. It has its name when it is whole. Throws <see cref="UserException"/>.</summary>
    internal static void Create(string disk, string backing)
    {
        string part = $"{disk}.{Environment.ProcessId}.partial";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(disk)!);
            ImageNode below = Blocking.Wait(BlockGraph.OpenAsync(new BlockOpenRequest { Filename = backing, Format = "qcow2", ReadOnly = true }, default));
            long length = below.LengthBytes;
            Blocking.Wait(below.DisposeAsync());
            Blocking.Wait(BlockGraph.CreateAsync(new BlockCreateRequest
            {
                Filename = part, Format = ImageFormats.Find("qcow2")!, LengthBytes = length, Options = new Dictionary<string, string> { ["backing_file"] = backing, ["backing_fmt"] = "qcow2" },
            }, default));
            File.SetUnixFileMode(part, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            File.Move(part, disk, overwrite: false);
        }
        catch (Exception error) when (error is ImageException or BlockIoException or IOException or UnauthorizedAccessException)
        {
            File.Delete(part);
            throw new UserException($"The machine's disk {disk} cannot be made: {error.Message.TrimEnd('.')}; set XDG_STATE_HOME to a directory of yours with space to spare.", ExitStatus.BadConfiguration);
        }
    }

    /// <summary>Whether a machine has the image open, or another program that locks images.</summary>
    internal static bool IsInUse(string image)
    {
        try
        {
            Blocking.Wait(Blocking.Wait(BlockGraph.OpenAsync(new BlockOpenRequest { Filename = image, Format = "qcow2", References = ReferencePolicy.NoBacking }, default)).DisposeAsync());
            return false;
        }
        catch (Exception error) when (error is ImageException or BlockIoException)
        {
            return true;
        }
    }
}
