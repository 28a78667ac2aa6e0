using System;
using System.IO;
using Hutch.Host.Files;

namespace Hutch.Dev.Iotests;

/// <summary>The source tree of QEMU with its tests, from Debian's source package of this release, in the user's cache.</summary>
internal sealed class TestTree
{
    private const string Package = "qemu";

    // Outputs differ from release to release; ours are those of QEMU 7.2.
    private const string Release = "bookworm";

    private const string KeyRing = "/usr/share/keyrings/debian-archive-keyring.gpg";

    private TestTree(string folder) => Folder = folder;

    /// <summary>Where it is.</summary>
    internal string Folder { get; }

    /// <summary>Where the tests are.</summary>
    internal string Tests => Path.Combine(Folder, "src", "tests", "qemu-iotests");

    /// <summary>Gets the tree, from the network where it is not there yet. Throws <see cref="MissingException"/>.</summary>
    internal static TestTree Get()
    {
        TestTree tree = new(Path.Combine(UserFolders.Cache ?? throw new MissingException("There is no place for the tests: set HOME or XDG_CACHE_HOME."), "iotests"));
        if (File.Exists(Path.Combine(tree.Tests, "check"))) return tree;
        tree.Download();
        return tree;
    }

    private void Download()
    {
        foreach ((string program, string package) in (ReadOnlySpan<(string, string)>)[("/usr/bin/apt-get", "apt"), ("/usr/bin/dpkg-source", "dpkg-dev"), ("/usr/bin/xz", "xz-utils"), ("/usr/bin/patch", "patch")])
            if (!File.Exists(program)) throw new MissingException($"{program} is missing; install the package {package}.");
        string lists = Path.Combine(Folder, "apt", "lists");
        Directory.CreateDirectory(Path.Combine(lists, "partial"));
        string source = Path.Combine(Folder, "apt", "sources.list");
        string signed = File.Exists(KeyRing) ? $"[signed-by={KeyRing}] " : "";
        File.WriteAllText(source, $"deb-src {signed}http://deb.debian.org/debian {Release} main\ndeb-src {signed}http://deb.debian.org/debian-security {Release}-security main\n");
        string[] options =
        [
            "-o", $"Dir::Etc::SourceList={source}", "-o", "Dir::Etc::SourceParts=/dev/null", "-o", $"Dir::State::Lists={lists}", "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
        ];
        Console.Error.WriteLine($"iotests: Getting the source package of {Package} (24 MB) into {Folder}.");
        Shell.Must(Folder, "apt-get", [.. options, "update"]);
        Shell.Must(Folder, "apt-get", [.. options, "source", "--download-only", Package]);
        string[] descriptions = Directory.GetFiles(Folder, $"{Package}_*.dsc");
        if (descriptions.Length == 0) throw new MissingException($"apt-get downloaded no source package of {Package}.");
        Array.Sort(descriptions, StringComparer.Ordinal);
        string unpacked = Path.Combine(Folder, "src.new");
        if (Directory.Exists(unpacked)) Directory.Delete(unpacked, recursive: true);
        Shell.Must(Folder, "dpkg-source", "--no-check", "-x", descriptions[^1], unpacked);
        Directory.Move(unpacked, Path.Combine(Folder, "src"));
    }
}
