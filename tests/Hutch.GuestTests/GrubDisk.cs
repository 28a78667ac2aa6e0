using System.Diagnostics;
using System.IO;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>The smallest real systems that firmware boots: GRUB with its shell on the serial port, as a disk and as a CD.</summary>
internal static class GrubDisk
{
    internal const string Maker = "grub-mkimage", BiosFolder = "/usr/lib/grub/i386-pc";

    /// <summary>What GRUB says when its shell comes.</summary>
    internal const string Greeting = "GRUB has started";

    private const string Begin = $"serial --unit=0 --speed=115200\nterminal_input serial\nterminal_output serial\necho {Greeting}\n";

    private const long DiskBytes = 8 << 20;

    /// <summary>A disk that a BIOS boots: boot sector, and from the next sector on GRUB.</summary>
    internal static string OfBios(TemporaryFolder folder)
    {
        string core = Make(folder, "i386-pc", "(hd0)", "biosdisk", "acpi"), disk = folder.Disk("grub.raw", DiskBytes);
        using FileStream file = new(disk, FileMode.Open);
        file.Write(File.ReadAllBytes($"{BiosFolder}/boot.img"));
        file.Write(File.ReadAllBytes(core));
        return disk;
    }

    /// <summary>A CD that a BIOS boots (El Torito, no emulation).</summary>
    internal static string OnDisc(TemporaryFolder folder)
    {
        string core = Make(folder, "i386-pc-eltorito", "(cd0)", "biosdisk", "iso9660", "acpi"), tree = Directory.CreateDirectory(folder.File("tree")).FullName, disc = folder.File("grub.iso");
        File.Copy(core, $"{tree}/grub.img");
        Run("xorriso", "-as", "mkisofs", "-quiet", "-o", disc, "-b", "grub.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree);
        return disc;
    }

    private static string Make(TemporaryFolder folder, string platform, string prefix, params string[] modules)
    {
        string configuration = folder.File("grub.cfg"), image = folder.File($"grub.{platform}");
        File.WriteAllText(configuration, Begin);
        Run(Maker, ["-O", platform, "-p", prefix, "-c", configuration, "-o", image, "serial", "terminal", "echo", "halt", "reboot", "normal", .. modules]);
        return image;
    }

    /// <summary>Runs a program of the host that must succeed.</summary>
    internal static void Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }
}
