using System;
using System.IO;
using Hutch.Cli.Guests;

namespace Hutch.Dev.KvmLab;

/// <summary>
/// The lab's kernel, Debian's stock cloud kernel, and a first root file system with the modules that the lab needs before it has its disk. Made from
/// packages once and kept in the cache of <c>hutch</c>.
/// </summary>
/// <param name="Image">The bzImage.</param>
/// <param name="Initrd">The first root file system.</param>
/// <param name="Busybox">A busybox program.</param>
internal sealed record LabKernel(string Image, string Initrd, string Busybox)
{
    /// <summary>Raised when what is made changes otherwise than by the script.</summary>
    private const int Recipe = 1;

    private static readonly string[] Modules = ["virtio_pci", "virtio_blk", "virtio_console", "kvm_amd"];

    internal static LabKernel Prepare(GuestCache cache, Action<string> say)
    {
        byte[] script = Resource("initramfs.sh");
        string folder = cache.Get($"lab-kernel-{Recipe}-{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(script))[..12]}", path => Make(path, script, say));
        return new LabKernel($"{folder}/vmlinuz", $"{folder}/initrd", $"{folder}/busybox");
    }

    /// <summary>A file that is part of this program.</summary>
    internal static byte[] Resource(string name)
    {
        using Stream stream = typeof(LabKernel).Assembly.GetManifestResourceStream(name)!;
        byte[] content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content;
    }

    private static void Make(string folder, byte[] script, Action<string> say)
    {
        GuestParts parts = GuestParts.Download($"{folder}/packages", Modules, say);
        GuestCache.WriteDurably($"{folder}/vmlinuz", file => file.Write(parts.Kernel));
        GuestCache.WriteDurably($"{folder}/busybox", file => file.Write(parts.Busybox));
        GuestCache.WriteDurably($"{folder}/initrd", file => Write(file, parts, script));
        Directory.Delete($"{folder}/packages", recursive: true);
    }

    private static void Write(Stream output, GuestParts parts, byte[] script)
    {
        CpioWriter cpio = new(output);
        foreach (string directory in (ReadOnlySpan<string>)["bin", "dev", "lib", "lib/modules", "root", "sbin"]) cpio.Directory(directory);
        cpio.Character("dev/console", 5, 1);
        cpio.Program("bin/busybox", parts.Busybox);
        cpio.Program("init", script);
        cpio.Link("sbin/modprobe", "/bin/busybox");
        Initramfs.AddModules(cpio, parts.Release, parts.Modules);
        cpio.Finish();
    }
}
