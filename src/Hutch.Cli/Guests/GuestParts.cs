using System;
using System.Collections.Generic;
using Hutch.Model.Machine;

namespace Hutch.Cli.Guests;

/// <summary>What a guest is assembled from: Debian's stock cloud kernel, some of its modules, and busybox.</summary>
/// <param name="Release">The kernel's release, as <c>uname -r</c> shows it.</param>
/// <param name="Kernel">The bzImage.</param>
/// <param name="Busybox">The statically linked program.</param>
/// <param name="Modules">The wanted modules and all that they need, each after its needs.</param>
internal sealed record GuestParts(string Release, byte[] Kernel, byte[] Busybox, IReadOnlyList<KernelModule> Modules)
{
    private const string KernelPackage = "linux-image-cloud-amd64", ShellPackage = "busybox-static";

    /// <summary>Downloads the packages into <paramref name="directory"/> and reads the parts. Throws <see cref="UserException"/>.</summary>
    internal static GuestParts Download(string directory, IReadOnlyList<string> wantedModules, Action<string> say)
    {
        DebianPackages debian = new(directory, say);
        debian.Update();
        string kernelPackage = debian.FirstDependency(KernelPackage);
        debian.Download([kernelPackage, ShellPackage]);
        Dictionary<string, byte[]> kernel = debian.Read(kernelPackage, IsKernelPart);
        Dictionary<string, byte[]> shell = debian.Read(ShellPackage, path => path.EndsWith("/bin/busybox", StringComparison.Ordinal));
        string image = The(kernel.Keys, path => path.StartsWith("./boot/vmlinuz-", StringComparison.Ordinal), kernelPackage, "a kernel");
        string release = image["./boot/vmlinuz-".Length..];
        return new GuestParts(release, kernel[image], shell[The(shell.Keys, _ => true, ShellPackage, "busybox")], Select(kernel, release, wantedModules, kernelPackage));
    }

    private static bool IsKernelPart(string path) => path.StartsWith("./boot/vmlinuz-", StringComparison.Ordinal) || path.EndsWith(".ko", StringComparison.Ordinal);

    /// <summary>The wanted modules and all that they need, each after its needs, of files by their paths. Throws <see cref="UserException"/>.</summary>
    internal static List<KernelModule> Select(Dictionary<string, byte[]> files, string release, IReadOnlyList<string> wanted, string package)
    {
        string root = $"/modules/{release}/";
        Dictionary<string, string> paths = [];
        foreach (string path in files.Keys)
            if (path.Contains(root, StringComparison.Ordinal)) paths[KernelModule.NameOf(path)] = path;
        List<KernelModule> ordered = [];
        HashSet<string> seen = [];
        foreach (string name in wanted) Add(name);
        return ordered;

        void Add(string name)
        {
            if (!seen.Add(name)) return;
            if (!paths.TryGetValue(name, out string? path))
                throw new UserException($"The package {package} has no module {name}; the guest needs the kernel of Debian 12.", ExitStatus.BadConfiguration);
            KernelModule module = KernelModule.Read(path[(path.IndexOf(root, StringComparison.Ordinal) + root.Length)..], files[path]);
            foreach (string needed in module.Depends) Add(needed);
            ordered.Add(module);
        }
    }

    private static string The(IEnumerable<string> paths, Predicate<string> which, string package, string what)
    {
        foreach (string path in paths)
            if (which(path)) return path;
        throw new UserException($"The package {package} does not hold {what}; the guest needs the packages of Debian 12.", ExitStatus.BadConfiguration);
    }
}
