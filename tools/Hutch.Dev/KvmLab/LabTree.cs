using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using Hutch.Cli;
using Hutch.Model.Machine;

namespace Hutch.Dev.KvmLab;

/// <summary>The lab's root file system as a folder, and the ext4 image that is made of it.</summary>
/// <param name="folder">An empty folder.</param>
/// <param name="qemu">Knows where libraries are that the host does not have.</param>
internal sealed partial class LabTree(string folder, Qemu qemu)
{
    /// <summary>Room for what is written inside the lab; the image has holes, so it costs nothing.</summary>
    private const long SpareBytes = 2L << 30;

    private readonly List<string> _programs = [];
    private long _bytes;

    /// <summary>Adds a folder.</summary>
    internal void Folder(string at) => Directory.CreateDirectory(folder + at);

    /// <summary>Adds a symbolic link.</summary>
    internal void Link(string at, string target) => System.IO.File.CreateSymbolicLink(folder + at, target);

    /// <summary>Adds a file with its rights; a link's target in its place.</summary>
    internal void File(string source, string at)
    {
        Folder(Path.GetDirectoryName(at)!);
        System.IO.File.Copy(source, folder + at, overwrite: true);
        _bytes += new FileInfo(folder + at).Length;
    }

    /// <summary>Adds a program's text.</summary>
    internal void Script(string at, ReadOnlySpan<byte> text)
    {
        Folder(Path.GetDirectoryName(at)!);
        System.IO.File.WriteAllBytes(folder + at, text);
        System.IO.File.SetUnixFileMode(folder + at, (UnixFileMode)0x1ed);
    }

    /// <summary>Adds a program and the libraries that it is linked with.</summary>
    internal void Program(string source, string at)
    {
        File(source, at);
        _programs.Add(source);
    }

    /// <summary>Adds all that is below a folder for which <paramref name="wanted"/> is true, and the libraries of its shared objects.</summary>
    internal void Copy(string source, string at, Predicate<string>? wanted = null)
    {
        foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            if (wanted is not null && !wanted(file)) continue;
            File(file, $"{at}/{Path.GetRelativePath(source, file)}");
            if (file.EndsWith(".so", StringComparison.Ordinal)) _programs.Add(file);
        }
    }

    /// <summary>Writes the image.</summary>
    internal void WriteImage(string image)
    {
        AddLibraries();
        string size = $"{(_bytes * 5 / 4 + SpareBytes) >> 10}K";
        Run(new ProcessStartInfo(ImageMaker(), ["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-E", "root_owner=0:0,lazy_itable_init=1", "-m", "0", "-d", folder, image, size]));
    }

    /// <summary>The program that makes the image. Throws <see cref="UserException"/> where the host has none.</summary>
    internal static string ImageMaker() => ((string[])["/usr/sbin/mke2fs", "/sbin/mke2fs"]).FirstOrDefault(System.IO.File.Exists)
        ?? throw new UserException("The KVM lab needs mke2fs; install the package e2fsprogs.", ExitStatus.BadConfiguration);

    private void AddLibraries()
    {
        ProcessStartInfo ldd = new("ldd", _programs);
        qemu.SetLibraries(ldd);
        HashSet<string> seen = [];
        foreach (Match match in Library().Matches(Run(ldd)))
        {
            string path = match.Value;
            bool unpacked = qemu.Root.Length > 0 && path.StartsWith(qemu.Root, StringComparison.Ordinal);
            if (seen.Add(path) && !path.EndsWith(':')) File(path, unpacked ? path[qemu.Root.Length..] : path);
        }
    }

    private static string Run(ProcessStartInfo start)
    {
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        using Process process = Process.Start(start)!;
        System.Threading.Tasks.Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        // ldd fails when one file of many is linked statically; what it printed of the others counts.
        return process.ExitCode == 0 || start.FileName == "ldd" ? output
            : throw new UserException($"{start.FileName} failed: {errors.GetAwaiter().GetResult().Trim()}", ExitStatus.InternalError);
    }

    /// <summary>A path in ldd's answer that is a library, not the heading of a program's list.</summary>
    [GeneratedRegex(@"(?<=\s)/[^\s():]+(?= \(0x)")]
    private static partial Regex Library();
}
