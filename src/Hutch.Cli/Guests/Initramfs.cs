using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace Hutch.Cli.Guests;

/// <summary>
/// The tiny guest's root file system: busybox, the modules that the virtual devices and common file systems need with
/// the tables by which modprobe finds them, and an init script. Not compressed: unpacking costs the guest more than reading.
/// </summary>
internal static class Initramfs
{
    /// <summary>What the guest can load: drivers of the virtual devices and the power button, and file systems of disks (ext4 is part of the kernel). Others come in as dependencies.</summary>
    internal static readonly IReadOnlyList<string> WantedModules =
        ["virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "virtio_balloon", "virtio_mem", "virtio_net", "virtio_input", "vmw_vsock_virtio_transport", "virtiofs", "vfat", "nls_cp437", "nls_ascii", "nls_utf8", "isofs", "squashfs",
        "button", "evdev"];

    private const string Filesystems = "dev /dev devtmpfs defaults 0 0\nproc /proc proc defaults 0 0\nsys /sys sysfs defaults 0 0\ntmp /tmp tmpfs defaults 0 0\n";
    private const string Profile = "PS1='\\w # '\nexport PS1\n";

    /// <summary>Writes the archive.</summary>
    /// <param name="output">Receives it; stays open.</param>
    /// <param name="release">The kernel's release, as <c>uname -r</c> shows it.</param>
    /// <param name="busybox">The statically linked program.</param>
    /// <param name="modules">The modules, each after those that it depends on.</param>
    internal static void Write(Stream output, string release, byte[] busybox, IReadOnlyList<KernelModule> modules)
    {
        CpioWriter cpio = new(output);
        foreach (string directory in (ReadOnlySpan<string>)["bin", "dev", "etc", "lib", "lib/modules", "mnt", "proc", "root", "run", "sbin", "sys", "tmp"])
            cpio.Directory(directory);
        cpio.Character("dev/console", 5, 1);
        cpio.Character("dev/null", 1, 3);
        cpio.Program("bin/busybox", busybox);
        foreach (string applet in BusyboxApplets.List(busybox))
            if (applet is not ("busybox" or "init")) cpio.Link($"bin/{applet}", "busybox");
        cpio.Link("sbin/modprobe", "/bin/busybox");
        cpio.Program("init", Script("init.sh"));
        cpio.Program("etc/udhcpc.script", Script("udhcpc.sh"));
        Text(cpio, "etc/fstab", Filesystems);
        Text(cpio, "etc/profile", Profile);
        Text(cpio, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        Text(cpio, "etc/group", "root:x:0:\n");
        AddModules(cpio, release, modules);
        cpio.Finish();
    }

    /// <summary>A script of the guest: <c>init.sh</c>, which process 1 runs, or <c>udhcpc.sh</c>, which the DHCP client does.</summary>
    internal static byte[] Script(string name)
    {
        using Stream resource = typeof(Initramfs).Assembly.GetManifestResourceStream(name)!;
        byte[] script = new byte[resource.Length];
        resource.ReadExactly(script);
        return script;
    }

    /// <summary>Adds modules below <c>lib/modules/RELEASE</c>, which is made too, with the tables by which modprobe finds them.</summary>
    internal static void AddModules(CpioWriter cpio, string release, IReadOnlyList<KernelModule> modules)
    {
        string directory = $"lib/modules/{release}";
        StringBuilder dependencies = new(), aliases = new();
        Dictionary<string, KernelModule> byName = [];
        HashSet<string> made = [];
        MakeDirectory(cpio, directory, made);
        foreach (KernelModule module in modules)
        {
            byName[module.Name] = module;
            string path = $"{directory}/{module.Path}";
            MakeDirectory(cpio, path[..path.LastIndexOf('/')], made);
            cpio.File(path, module.Content);
            dependencies.Append(module.Path).Append(':');
            List<string> needs = [];
            CollectNeeds(module, byName, needs);
            // modprobe loads from right to left.
            for (int i = needs.Count - 1; i >= 0; i--) dependencies.Append(' ').Append(needs[i]);
            dependencies.Append('\n');
            foreach (string alias in module.Aliases) aliases.Append($"alias {alias} {module.Name}\n");
        }
        Text(cpio, $"{directory}/modules.dep", dependencies.ToString());
        Text(cpio, $"{directory}/modules.alias", aliases.ToString());
    }

    /// <summary>All that a module needs, directly and indirectly, in the order of loading.</summary>
    private static void CollectNeeds(KernelModule module, Dictionary<string, KernelModule> byName, List<string> paths)
    {
        foreach (string name in module.Depends)
        {
            KernelModule needed = byName[name];
            CollectNeeds(needed, byName, paths);
            if (!paths.Contains(needed.Path)) paths.Add(needed.Path);
        }
    }

    private static void MakeDirectory(CpioWriter cpio, string path, HashSet<string> made)
    {
        int slash = path.LastIndexOf('/');
        if (path is "lib/modules" || !made.Add(path)) return;
        MakeDirectory(cpio, path[..slash], made);
        cpio.Directory(path);
    }

    private static void Text(CpioWriter cpio, string path, string text) => cpio.File(path, Encoding.ASCII.GetBytes(text));
}
