using System.Diagnostics;
using System.IO;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>The smallest real systems that firmware boots: GRUB with its shell on the serial port, as a disk, as a CD and as an UEFI program.</summary>
internal static class GrubDisk
{
    internal const string Maker = "grub-mkimage", BiosFolder = "/usr/lib/grub/i386-pc", EfiFolder = "/usr/lib/grub/x86_64-efi";

    /// <summary>What GRUB says when its shell comes.</summary>
    internal const string Greeting = "GRUB has started";

    // With UEFI the console is the serial port already, and its driver would take what is typed from GRUB's own.
    private const string Begin = $"echo {Greeting}\n", BiosBegin = $"serial --unit=0 --speed=115200\nterminal_input serial\nterminal_output serial\n{Begin}";

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

    /// <summary>A disk that UEFI boots: a FAT file system with the program that firmware looks for.</summary>
    internal static string OfUefi(TemporaryFolder folder)
    {
        string program = Make(folder, "x86_64-efi", "/", "fat"), disk = folder.Disk("efi.raw", DiskBytes);
        Run("mformat", "-i", disk, "-T", $"{DiskBytes / 512}", "::");
        Run("mmd", "-i", disk, "::/EFI", "::/EFI/BOOT");
        Run("mcopy", "-i", disk, program, "::/EFI/BOOT/BOOTX64.EFI");
        return disk;
    }

    private static string Make(TemporaryFolder folder, string platform, string prefix, params string[] modules)
    {
        string configuration = folder.File("grub.cfg"), image = folder.File($"grub.{platform}");
        File.WriteAllText(configuration, platform == "x86_64-efi" ? Begin : BiosBegin);
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
