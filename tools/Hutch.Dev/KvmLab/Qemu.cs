using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using Hutch.Cli.Guests;

namespace Hutch.Dev.KvmLab;

/// <summary>A QEMU: the host's, or one that is unpacked in the cache without being installed.</summary>
/// <param name="Root">Folder that its packages are unpacked in; empty for the host's own.</param>
/// <param name="IsOfAnotherRelease">Its C library and loader are in that folder too.</param>
internal sealed record Qemu(string Root, bool IsOfAnotherRelease = false)
{
    /// <summary>With the value "download" the host's own is not taken: to try what a host without it does.</summary>
    private const string Variable = "HUTCH_LAB_QEMU";

    // The SVM of 7.2, Debian 12's, loses timers and interrupts.
    private const int EmulatorVersion = 10;
    private const string EmulatorRelease = "trixie";

    private const string Package = "qemu-system-x86", Libraries = "usr/lib/x86_64-linux-gnu";

    /// <summary>The program's path inside the lab, and below <see cref="Root"/>.</summary>
    internal const string Program = "/usr/bin/qemu-system-x86_64";

    /// <summary>Where QEMU finds firmware inside the lab.</summary>
    internal static IReadOnlyList<string> Firmware { get; } = ["-L", "/usr/share/seabios", "-L", "/usr/share/qemu"];

    /// <summary>Finds the one that we are compared with; where the host has none, downloads Debian's package and what it needs. Throws <see cref="Hutch.Cli.UserException"/>.</summary>
    internal static Qemu Find(GuestCache cache, Action<string> say) =>
        new(IsOnHost() ? "" : cache.Get("lab-qemu-1", folder => Download(new DebianPackages($"{folder}/packages", say), folder, say)));

    /// <summary>Finds the one that emulates the lab's computer: the host's where it is new enough, else that of a later Debian, downloaded.</summary>
    internal static Qemu FindEmulator(GuestCache cache, Action<string> say) =>
        IsOnHost() && HostVersion() >= EmulatorVersion ? new Qemu("")
            : new(cache.Get($"lab-qemu-{EmulatorRelease}-1", folder => Download(new DebianPackages($"{folder}/packages", say, EmulatorRelease), folder, say)), IsOfAnotherRelease: true);

    /// <summary>How to start it.</summary>
    internal ProcessStartInfo Start(IEnumerable<string> arguments)
    {
        string[] all = ["-L", $"{Root}/usr/share/seabios", "-L", $"{Root}/usr/share/qemu", .. arguments];
        ProcessStartInfo start = IsOfAnotherRelease ? new($"{Root}/usr/lib64/ld-linux-x86-64.so.2", [Root + Program, .. all]) : new(Root + Program, all);
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

    private static bool IsOnHost() => File.Exists(Program) && Environment.GetEnvironmentVariable(Variable) != "download";

    private static int HostVersion()
    {
        const string Before = "version ";
        string said = HostProgram.Run(Program, ["--version"], "/");
        int at = said.IndexOf(Before, StringComparison.Ordinal) + Before.Length;
        return int.TryParse(said.AsSpan(at, said.IndexOf('.', at) - at), NumberStyles.None, CultureInfo.InvariantCulture, out int version) ? version : 0;
    }

    private static void Download(DebianPackages debian, string folder, Action<string> say)
    {
        say($"A QEMU that the lab needs is not on this host (package {Package}); its packages are unpacked into the cache.");
        debian.Update();
        debian.Download(debian.NotInstalled(Package));
        string packages = $"{folder}/packages";
        foreach (string package in Directory.GetFiles(packages, "*.deb")) HostProgram.Run("dpkg-deb", ["-x", package, folder], folder);
        Directory.Delete(packages, recursive: true);
    }
}
