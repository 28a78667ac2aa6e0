using System;
using System.IO;
using Hutch.Model.Machine;

namespace Hutch.Cli.Guests;

/// <summary>
/// The guest that boots when none is named: Debian's stock cloud kernel and busybox, from their packages, with an initramfs of ours. It is made once
/// and kept in the cache.
/// </summary>
internal static class TinyGuest
{
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
        byte[] script = [.. Initramfs.Script("init.sh"), .. Initramfs.Script("udhcpc.sh")];
        byte[] recipe = System.Text.Encoding.ASCII.GetBytes($"{Recipe} {string.Join(' ', Initramfs.WantedModules)}");
        return GuestCache.Fingerprint([.. script, .. recipe]);
    }

    private static void Make(string directory, Action<string> say)
    {
        say("Preparing the tiny guest; this happens once.");
        string packages = $"{directory}/packages";
        GuestParts parts = GuestParts.Download(packages, Initramfs.WantedModules, say);
        say("Assembling its first root file system.");
        GuestCache.WriteDurably($"{directory}/vmlinuz", file => file.Write(parts.Kernel));
        GuestCache.WriteDurably($"{directory}/initrd", file => Initramfs.Write(file, parts.Release, parts.Busybox, parts.Modules));
        Directory.Delete(packages, recursive: true);
    }
}
