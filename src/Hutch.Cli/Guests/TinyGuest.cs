using System;
using System.Collections.Generic;
using System.IO;
using Hutch.Model.Machine;

namespace Hutch.Cli.Guests;

/// <summary>
/// The guest that boots when none is named: Debian's stock cloud kernel and busybox, from their packages, with an initramfs of ours. It is made once
/// and kept in the cache.
/// </summary>
internal static class TinyGuest
{
    private const string KernelPackage = "linux-image-cloud-amd64", ShellPackage = "busybox-static";

    /// <summary>Raised when what is made from the packages changes otherwise than by the init script and the list of modules.</summary>
    private const string Recipe = "1";

    /// <summary>The console is COM1, and the kernel says only what went wrong.</summary>
    internal const string CommandLine = "console=ttyS0 quiet";

    /// <summary>Returns how to boot the guest, making it first when the cache does not have it. Throws <see cref="UserException"/>.</summary>
    /// <param name="cache">Where it is kept.</param>
    /// <param name="say">Tells the user what goes on.</param>
    /// <param name="append">The user's addition to the kernel command line, or null.</param>
    internal static KernelBoot Prepare(GuestCache cache, Action<string> say, string? append)
    {
        string directory = cache.Get($"tiny-{Version()}", path => Make(path, say));
        string line = append is null ? CommandLine : $"{CommandLine} {append}";
        return new KernelBoot($"{directory}/vmlinuz", $"{directory}/initrd", line);
    }

    private static string Version()
    {
        byte[] script = Initramfs.InitScript();
        byte[] recipe = System.Text.Encoding.ASCII.GetBytes($"{Recipe} {string.Join(' ', Initramfs.WantedModules)}");
        // FNV-1a: names a cache entry, protects nothing, and loads no cryptographic library at every start.
        ulong hash = 0xcbf2_9ce4_8422_2325;
        foreach (byte value in (ReadOnlySpan<byte>)[.. script, .. recipe]) hash = (hash ^ value) * 0x100_0000_01b3;
        return $"{hash:x16}";
    }

    private static void Make(string directory, Action<string> say)
    {
        say("Preparing the tiny guest; this happens once.");
        string packages = $"{directory}/packages";
        DebianPackages debian = new(packages, say);
        debian.Update();
        string kernelPackage = debian.FirstDependency(KernelPackage);
        debian.Download([kernelPackage, ShellPackage]);
        say("Assembling its first root file system.");
        Dictionary<string, byte[]> kernel = debian.Read(kernelPackage, IsKernelPart);
        Dictionary<string, byte[]> shell = debian.Read(ShellPackage, path => path.EndsWith("/bin/busybox", StringComparison.Ordinal));
        string image = The(kernel.Keys, path => path.StartsWith("./boot/vmlinuz-", StringComparison.Ordinal), kernelPackage, "a kernel");
        string release = image["./boot/vmlinuz-".Length..];
        byte[] busybox = shell[The(shell.Keys, _ => true, ShellPackage, "busybox")];
        List<KernelModule> modules = Modules(kernel, release, kernelPackage);
        GuestCache.WriteDurably($"{directory}/vmlinuz", file => file.Write(kernel[image]));
        GuestCache.WriteDurably($"{directory}/initrd", file => Initramfs.Write(file, release, busybox, modules));
        Directory.Delete(packages, recursive: true);
    }

    private static bool IsKernelPart(string path) => path.StartsWith("./boot/vmlinuz-", StringComparison.Ordinal) || path.EndsWith(".ko", StringComparison.Ordinal);

    /// <summary>The wanted modules and all that they need, each after its needs.</summary>
    private static List<KernelModule> Modules(Dictionary<string, byte[]> files, string release, string package)
    {
        string root = $"/modules/{release}/";
        Dictionary<string, string> paths = [];
        foreach (string path in files.Keys)
            if (path.Contains(root, StringComparison.Ordinal)) paths[KernelModule.NameOf(path)] = path;
        List<KernelModule> ordered = [];
        HashSet<string> seen = [];
        foreach (string name in Initramfs.WantedModules) Add(name);
        return ordered;

        void Add(string name)
        {
            if (!seen.Add(name)) return;
            if (!paths.TryGetValue(name, out string? path))
                throw new UserException($"The package {package} has no module {name}; the tiny guest needs the kernel of Debian 12.", ExitStatus.BadConfiguration);
            KernelModule module = KernelModule.Read(path[(path.IndexOf(root, StringComparison.Ordinal) + root.Length)..], files[path]);
            foreach (string needed in module.Depends) Add(needed);
            ordered.Add(module);
        }
    }

    private static string The(IEnumerable<string> paths, Predicate<string> which, string package, string what)
    {
        foreach (string path in paths)
            if (which(path)) return path;
        throw new UserException($"The package {package} does not hold {what}; the tiny guest needs the packages of Debian 12.", ExitStatus.BadConfiguration);
    }
}
