using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Tasks;

namespace Hutch.GuestTests.Installer;

/// <summary>
/// The packages that the installer loads while it runs (udebs). Not every mirror has all that its index names, nor those of the installer's own kernel. What the archive has comes from there
/// as it is. What it lacks and the installation needs is packed again from the ordinary packages of the same release, and <see cref="Log"/> says so. The rest leaves the index.
/// </summary>
internal sealed class UdebSource
{
    // Drivers and file systems that the installation into a virtual machine loads, unless the RAM disk has them.
    private static readonly string[] ModuleSets = ["ata", "sata", "scsi", "scsi-core", "cdrom-core", "isofs", "ext4", "md", "loop"];

    // What else is needed, and the packages that have the same programs with their libraries.
    private static readonly Dictionary<string, string[]> Programs = new() { ["e2fsprogs-udeb"] = ["e2fsprogs", "libext2fs2t64", "libcom-err2", "libss2"] };

    private static readonly string[] OfFile = ["Filename", "Size", "MD5sum", "SHA256", "Description-md5"];

    private readonly DebianArchive _archive;
    private readonly NetbootImage _image;
    private readonly Dictionary<string, ControlParagraph> _packages;
    private readonly TemporaryFolder _folder;
    private readonly List<ControlParagraph> _index = [];

    private UdebSource(DebianArchive archive, NetbootImage image, IEnumerable<ControlParagraph> packages, TemporaryFolder folder)
    {
        (_archive, _image, _folder) = (archive, image, folder);
        _packages = packages.GroupBy(static package => package.Package).ToDictionary(static same => same.Key, static same => same.Last());
    }

    /// <summary>The files that the archive lacks: packages made here.</summary>
    internal Dictionary<string, byte[]> Files { get; } = [];

    /// <summary>What was replaced, by what, and what was left out.</summary>
    internal List<string> Log { get; } = [];

    /// <summary>The index of all, as dists/*/main/debian-installer/binary-amd64/Packages.</summary>
    internal byte[] Index => Encoding.UTF8.GetBytes(string.Join('\n', _index));

    /// <summary>Asks the archive for all that its index of the release names and makes what is missing.</summary>
    internal static async Task<UdebSource> Make(DebianArchive archive, string release, NetbootImage image, IEnumerable<ControlParagraph> packages, TemporaryFolder folder)
    {
        UdebSource source = new(archive, image, packages, folder);
        List<ControlParagraph> named = await archive.Index($"dists/{release}/main/debian-installer/binary-amd64");
        HashSet<string> there = [];
        await Parallel.ForEachAsync(named, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (udeb, _) =>
        {
            if (!await archive.Has(udeb["Filename"])) return;
            lock (there) there.Add(udeb.Package);
        });
        await source.AddPrograms(named.Where(static udeb => udeb["Kernel-Version"].Length == 0), there);
        await source.AddModules([.. named.Where(static udeb => udeb["Kernel-Version"].Length > 0)], there);
        return source;
    }

    private async Task AddPrograms(IEnumerable<ControlParagraph> named, HashSet<string> there)
    {
        List<string> left = [];
        foreach (ControlParagraph udeb in named)
        {
            if (there.Contains(udeb.Package)) _index.Add(udeb);
            else if (_image.Installed.ContainsKey(udeb.Package)) continue;
            else if (!Programs.TryGetValue(udeb.Package, out string[]? from)) left.Add(udeb.Package);
            else
            {
                string tree = _folder.File(udeb.Package);
                foreach (string package in from) GrubDisk.Run("dpkg-deb", "-x", await Fetch(package), tree);
                Directory.Delete(Path.Combine(tree, "usr/share"), recursive: true);
                Pack(udeb, tree, $"the archive has no {Path.GetFileName(udeb["Filename"])}; packed from {string.Join(", ", from)}");
            }
        }
        if (left.Count > 0) Log.Add($"not in the archive and left out: {string.Join(' ', left)}");
    }

    private async Task AddModules(List<ControlParagraph> named, HashSet<string> there)
    {
        string version = _image.KernelVersion;
        _index.AddRange(named.Where(udeb => udeb["Kernel-Version"] == version && there.Contains(udeb.Package)));
        foreach (string set in ModuleSets)
        {
            string name = Name(set, version);
            if (_image.Installed.ContainsKey(name) || there.Contains(name)) continue;
            // One of another kernel tells which modules belong to the set.
            ControlParagraph other = named.Find(udeb => udeb.Package == Name(set, udeb["Kernel-Version"]) && there.Contains(udeb.Package))
                ?? throw new InvalidOperationException($"The archive has {set}-modules of no kernel.");
            string tree = _folder.File(name), kernel = $"linux-image-{version}";
            GrubDisk.Run("dpkg-deb", "-x", await _archive.Fetch(other), tree);
            int missing = ReplaceModules(Path.Combine(tree, "lib/modules"), other["Kernel-Version"], await Kernel(kernel));
            string text = other.ToString().Replace(other["Kernel-Version"], version, StringComparison.Ordinal);
            ControlParagraph udeb = ControlParagraph.Read(text);
            udeb["Version"] = _packages[kernel]["Version"];
            Pack(udeb, tree, $"the archive has none for the installer's kernel; the modules that {Path.GetFileName(other["Filename"])} lists, from {kernel}{(missing > 0 ? $", {missing} left out that it lacks" : "")}");
        }

        static string Name(string set, string version) => $"{set}-modules-{version}-di";
    }

    // Returns how many the kernel does not have.
    private int ReplaceModules(string modules, string otherVersion, string kernel)
    {
        string old = Path.Combine(modules, otherVersion), made = Path.Combine(modules, _image.KernelVersion), all = Directory.GetDirectories(kernel, _image.KernelVersion, SearchOption.AllDirectories).First(static path => path.Contains("lib/modules", StringComparison.Ordinal));
        Directory.Move(old, made);
        int missing = 0;
        foreach (string module in Directory.GetFiles(made, "*.ko*", SearchOption.AllDirectories))
        {
            string same = Path.Combine(all, Path.GetRelativePath(made, module));
            if (File.Exists(same)) File.Copy(same, module, overwrite: true);
            else
            {
                File.Delete(module);
                missing++;
            }
        }
        return missing;
    }

    private async Task<string> Kernel(string package)
    {
        string tree = _folder.File(package);
        if (!Directory.Exists(tree)) GrubDisk.Run("dpkg-deb", "-x", await Fetch(package), tree);
        return tree;
    }

    private Task<string> Fetch(string package)
        => _archive.Fetch(_packages.GetValueOrDefault(package) ?? throw new InvalidOperationException($"The release has no package {package}."));

    private void Pack(ControlParagraph udeb, string tree, string why)
    {
        foreach (string field in OfFile) udeb[field] = "";
        Directory.CreateDirectory(Path.Combine(tree, "DEBIAN"));
        File.WriteAllText(Path.Combine(tree, "DEBIAN/control"), udeb.ToString());
        string name = $"{udeb.Package}_amd64.udeb", file = _folder.File(name);
        GrubDisk.Run("dpkg-deb", "--build", "--root-owner-group", "-Zgzip", tree, file);
        byte[] content = File.ReadAllBytes(file);
        Files[udeb["Filename"] = $"pool/replaced/{name}"] = content;
        udeb["Size"] = $"{content.Length}";
        udeb["SHA256"] = Convert.ToHexStringLower(SHA256.HashData(content));
        _index.Add(udeb);
        Log.Add($"{udeb.Package}: {why}");
    }
}
