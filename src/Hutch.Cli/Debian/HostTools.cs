using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Hutch.Model.Machine;

namespace Hutch.Cli.Debian;

/// <summary>What the host must have to make a Debian disk.</summary>
internal static class HostTools
{
    // Administrators' programs are where users' search paths do not lead.
    private static readonly string[] MoreFolders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

    private static readonly (string Needed, string Package)[] Needs =
    [
        ("mmdebstrap", "mmdebstrap"), ("mke2fs", "e2fsprogs"), ("mformat", "mtools"), ("grub-mkimage", "grub-common"), (GrubImages.BootProgram, "grub-pc-bin"),
        (GrubImages.EfiModule, "grub-efi-amd64-bin"), ("setpriv", "util-linux"), ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
    ];

    /// <summary>Throws <see cref="UserException"/> with all that is missing in one sentence.</summary>
    /// <param name="exists">Whether there is a file.</param>
    /// <param name="path">The user's search path.</param>
    /// <param name="isRoot">The user is root; others need user namespaces.</param>
    internal static void Check(Predicate<string> exists, string path, bool isRoot)
    {
        List<string> folders = [.. path.Split(':', StringSplitOptions.RemoveEmptyEntries), .. MoreFolders];
        List<string> missing = [], packages = [];
        foreach ((string needed, string package) in isRoot ? Needs : [.. Needs, ("newuidmap", "uidmap")])
        {
            if (needed[0] == '/' ? exists(needed) : folders.Any(folder => exists(Path.Combine(folder, needed)))) continue;
            missing.Add(needed);
            packages.Add(package);
        }
        if (missing.Count == 0) return;
        throw new UserException($"A Debian disk is made with programs that this host does not have: {string.Join(", ", missing)}. Install them: "
            + $"{(isRoot ? "" : "sudo ")}apt-get install {string.Join(' ', packages.Distinct())}", ExitStatus.BadConfiguration);
    }
}
