using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Formats.Tar;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;

namespace Hutch.GuestTests;

/// <summary>
/// Kernel and initial RAM disk with the kernel of Debian's package linux-image-amd64, which has the drivers of old hardware that the cloud kernel of the tiny guest leaves out: busybox
/// and some modules, loaded by its init. Made of packages once and kept in the cache. Benchmarks use it, too.
/// </summary>
internal static class StockGuestImage
{
    private const string KernelPackage = "linux-image-amd64", ShellPackage = "busybox-static";

    // What is loaded, in the end.
    private static readonly string[] Wanted = ["e1000", "8139cp", "ata_piix", "ahci", "sd_mod", "sr_mod", "isofs", "virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "i6300esb", "pvpanic-pci", "button", "evdev", "xhci-pci", "ehci-pci", "uhci-hcd", "usbhid", "hid-generic"];

    // What a test loads itself (StockGuest.LoadDisplay), as it takes a while.
    private static readonly string[] Display = ["virtio-gpu"];

    private const string Init = """
        #!/bin/busybox sh
        /bin/busybox --install -s /bin
        export PATH=/bin HOME=/root PS1='\w # '
        mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
        while read -r module; do insmod "/modules/$module" 2>/dev/null; done </modules/order
        echo "Linux is up. 'poweroff' stops it."
        trap 'poweroff -f' USR2
        cd /root
        setsid cttyhack sh &
        wait $!
        poweroff -f
        """;

    private const string Users = "root:x:0:0:root:/root:/bin/sh\n";

    private const string DhcpScript = "#!/bin/sh\n[ \"$1\" = bound ] || [ \"$1\" = renew ] || exit 0\nifconfig $interface $ip netmask $subnet\nroute add default gw $router\n";

    /// <summary>Makes it unless it is there; returns the folder with <c>vmlinuz</c> and <c>initrd</c>.</summary>
    /// <param name="cache">Where hutch keeps what it makes of packages.</param>
    internal static string Prepare(string cache)
    {
        string recipe = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(Init + DhcpScript + Users + string.Join(' ', [.. Wanted, "-", .. Display]))))[..12];
        string folder = Path.Combine(cache, $"stock-guest-{recipe}");
        if (File.Exists(Path.Combine(folder, "initrd"))) return folder;
        string packages = Path.Combine(folder, "packages");
        Directory.CreateDirectory(packages);
        string kernel = Run(packages, "apt-cache", "depends", KernelPackage).Split('\n').Select(static line => line.Trim()).First(static line => line.StartsWith("Depends: linux-image", StringComparison.Ordinal))["Depends: ".Length..];
        Run(packages, "apt-get", "-q", "download", kernel, ShellPackage);
        Dictionary<string, byte[]> files = Read(packages, kernel, static path => path.Contains("/vmlinuz-", StringComparison.Ordinal) || path.EndsWith(".ko", StringComparison.Ordinal));
        byte[] shell = Read(packages, ShellPackage, static path => path.EndsWith("/bin/busybox", StringComparison.Ordinal)).Values.Single();
        File.WriteAllBytes(Path.Combine(folder, "vmlinuz"), files.Single(static file => file.Key.Contains("/vmlinuz-", StringComparison.Ordinal)).Value);
        using (FileStream initrd = File.Create(Path.Combine(folder, "initrd.new"))) Write(initrd, shell, files);
        File.Move(Path.Combine(folder, "initrd.new"), Path.Combine(folder, "initrd"), overwrite: true);
        Directory.Delete(packages, recursive: true);
        return folder;
    }

    private static void Write(Stream initrd, byte[] shell, Dictionary<string, byte[]> files)
    {
        foreach (string directory in (string[])["bin", "dev", "etc", "modules", "mnt", "proc", "root", "sys", "tmp"]) Entry(initrd, directory, 0x41ed, []);
        Entry(initrd, "dev/console", 0x21a4, [], major: 5, minor: 1);
        Entry(initrd, "bin/busybox", 0x81ed, shell);
        Entry(initrd, "init", 0x81ed, Encoding.ASCII.GetBytes(Init));
        Entry(initrd, "etc/passwd", 0x81a4, Encoding.ASCII.GetBytes(Users));
        Entry(initrd, "etc/udhcpc.script", 0x81ed, Encoding.ASCII.GetBytes(DhcpScript));
        Dictionary<string, byte[]> modules = files.Where(static file => file.Key.EndsWith(".ko", StringComparison.Ordinal)).ToDictionary(static file => NameOf(file.Key), static file => file.Value);
        List<string> order = [];
        foreach (string name in Wanted) Add(name.Replace('-', '_'));
        Entry(initrd, "modules/order", 0x81a4, Encoding.ASCII.GetBytes(string.Join('\n', order) + "\n"));
        int loaded = order.Count;
        foreach (string name in Display) Add(name.Replace('-', '_'));
        Entry(initrd, "modules/display", 0x81a4, Encoding.ASCII.GetBytes(string.Join('\n', order[loaded..]) + "\n"));
        Entry(initrd, "TRAILER!!!", 0, []);

        void Add(string name)
        {
            if (order.Contains(name)) return;
            byte[] content = modules.GetValueOrDefault(name) ?? throw new InvalidOperationException($"The kernel has no module {name}.");
            foreach (string needed in Depends(content)) Add(needed.Replace('-', '_'));
            order.Add(name);
            Entry(initrd, $"modules/{name}", 0x81a4, content);
        }
    }

    private static string NameOf(string path) => Path.GetFileNameWithoutExtension(path).Replace('-', '_');

    private static string[] Depends(ReadOnlySpan<byte> module)
    {
        int at = module.IndexOf("\0depends="u8);
        if (at < 0) return [];
        ReadOnlySpan<byte> text = module[(at + 9)..];
        return Encoding.ASCII.GetString(text[..text.IndexOf((byte)0)]).Split(',', StringSplitOptions.RemoveEmptyEntries);
    }

    // The format "newc" (cpio(5)): a header of hexadecimal numbers, the name, the content, each padded to four bytes.
    private static void Entry(Stream output, string name, int mode, byte[] content, int major = 0, int minor = 0)
    {
        int[] fields = [name.GetHashCode(StringComparison.Ordinal) & 0xffff, mode, 0, 0, 1, 0, content.Length, 0, 0, major, minor, name.Length + 1, 0];
        StringBuilder header = new("070701");
        foreach (int field in fields) header.Append(field.ToString("x8", CultureInfo.InvariantCulture));
        header.Append(name).Append('\0');
        while (header.Length % 4 != 0) header.Append('\0');
        output.Write(Encoding.ASCII.GetBytes(header.ToString()));
        output.Write(content);
        output.Write(new byte[-content.Length & 3]);
    }

    private static Dictionary<string, byte[]> Read(string folder, string package, Predicate<string> wanted)
    {
        using Process process = Process.Start(new ProcessStartInfo("dpkg-deb", ["--fsys-tarfile", Directory.GetFiles(folder, $"{package}_*.deb").Single()]) { RedirectStandardOutput = true })!;
        Dictionary<string, byte[]> files = [];
        using TarReader tar = new(process.StandardOutput.BaseStream);
        while (tar.GetNextEntry() is { } entry)
        {
            if (entry.DataStream is null || !wanted(entry.Name)) continue;
            byte[] content = new byte[entry.Length];
            entry.DataStream.ReadExactly(content);
            files[entry.Name] = content;
        }
        // What fills the archive up, for the program to end well.
        process.StandardOutput.BaseStream.CopyTo(Stream.Null);
        process.WaitForExit();
        return files;
    }

    private static string Run(string folder, string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, WorkingDirectory = folder })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program} ended with {process.ExitCode}.");
    }
}
