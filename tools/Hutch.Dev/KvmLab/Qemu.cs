using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using Hutch.Cli.Guests;

namespace Hutch.Dev.KvmLab;

/// <summary>The QEMU that emulates the lab's computer: the host's, or one that is unpacked in the cache without being installed.</summary>
/// <param name="Root">Folder that its packages are unpacked in; empty for the host's own.</param>
internal sealed record Qemu(string Root)
{
    /// <summary>With the value "download" the host's own is not taken: to try what a host without it does.</summary>
    private const string Variable = "HUTCH_LAB_QEMU";

    private const string Package = "qemu-system-x86", Libraries = "usr/lib/x86_64-linux-gnu";

    /// <summary>The program's path inside the lab, and below <see cref="Root"/>.</summary>
    internal const string Program = "/usr/bin/qemu-system-x86_64";

    /// <summary>Where QEMU finds firmware inside the lab.</summary>
    internal static IReadOnlyList<string> Firmware { get; } = ["-L", "/usr/share/seabios", "-L", "/usr/share/qemu"];

    /// <summary>Finds QEMU; where the host has none, downloads Debian's package and what it needs. Throws <see cref="Hutch.Cli.UserException"/>.</summary>
    internal static Qemu Find(GuestCache cache, Action<string> say) =>
        new(File.Exists(Program) && Environment.GetEnvironmentVariable(Variable) != "download" ? "" : cache.Get("lab-qemu-1", folder => Download(folder, say)));

    /// <summary>How to start it.</summary>
    internal ProcessStartInfo Start(IEnumerable<string> arguments)
    {
        ProcessStartInfo start = new(Root + Program, ["-L", $"{Root}/usr/share/seabios", "-L", $"{Root}/usr/share/qemu", .. arguments]);
        SetLibraries(start);
        return start;
    }

    /// <summary>Puts it into the lab, where it is what we are compared with.</summary>
    internal void AddTo(LabTree tree)
    {
        tree.Program(Root + Program, Program);
        foreach (string folder in (string[])["/usr/share/seabios", "/usr/share/qemu"])
            foreach (string file in Directory.GetFiles(Root + folder, "*.*"))
                if (Path.GetExtension(file) is ".bin" or ".rom") tree.File(file, $"{folder}/{Path.GetFileName(file)}");
    }

    /// <summary>Lets a program of this QEMU find its libraries.</summary>
    internal void SetLibraries(ProcessStartInfo start)
    {
        if (Root.Length == 0) return;
        start.Environment["LD_LIBRARY_PATH"] = $"{Root}/{Libraries}:{Root}/lib/x86_64-linux-gnu:{Root}/{Libraries}/pulseaudio";
        start.Environment["QEMU_MODULE_DIR"] = $"{Root}/{Libraries}/qemu";
    }

    private static void Download(string folder, Action<string> say)
    {
        say($"QEMU is not on this host (package {Package}); its packages are unpacked into the cache.");
        string packages = $"{folder}/packages";
        DebianPackages debian = new(packages, say);
        debian.Update();
        debian.Download(debian.NotInstalled(Package));
        foreach (string package in Directory.GetFiles(packages, "*.deb")) HostProgram.Run("dpkg-deb", ["-x", package, folder], folder);
        Directory.Delete(packages, recursive: true);
    }
}
