using System;
using System.Buffers.Binary;
using System.IO;
using Hutch.Cli.Guests;
using Hutch.Model.Machine;

namespace Hutch.Cli.Debian;

/// <summary>GRUB for a BIOS and for UEFI, made by the host's grub-mkimage. Both find the file system by its id and read /boot/grub/grub.cfg there.</summary>
internal static class GrubImages
{
    /// <summary>What <c>grub-pc-bin</c> and <c>grub-efi-amd64-bin</c> are recognised by.</summary>
    internal const string BootProgram = "/usr/lib/grub/i386-pc/boot.img", EfiModule = "/usr/lib/grub/x86_64-efi/linux.mod";

    // Where boot.img has the sector of the core image, and the core image's first sector that of its second one (GRUB 2.06 include/grub/i386/pc/boot.h).
    private const int CoreSectorOffset = 0x5c, RestSectorOffset = 0x1f4;

    private static readonly string[] Modules =
        ["part_gpt", "ext2", "search", "search_fs_uuid", "configfile", "normal", "linux", "serial", "terminal", "echo", "test", "sleep", "halt", "reboot", "minicmd", "ls", "cat"];

    /// <summary>Makes both in <paramref name="directory"/>: the files <c>core.img</c> and <c>BOOTX64.EFI</c>.</summary>
    internal static void Make(string directory, Guid fileSystem)
    {
        string find = $"search --no-floppy --fs-uuid --set=root {fileSystem}\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n";
        // With a BIOS GRUB drives the serial port itself: what SeaBIOS shows there of a screen would come twice. With UEFI the console is that port.
        File.WriteAllText($"{directory}/bios.cfg", $"serial --unit=0 --speed=115200\nterminal_input serial\nterminal_output serial\n{find}");
        File.WriteAllText($"{directory}/efi.cfg", find);
        Run(directory, "i386-pc", "bios.cfg", "core.img", "biosdisk", "acpi");
        Run(directory, "x86_64-efi", "efi.cfg", "BOOTX64.EFI", "fat", "part_msdos");
    }

    /// <summary>The boot program for the first sector and the core image, which lies at <paramref name="sector"/>.</summary>
    /// <param name="directory">Where <see cref="Make"/> put the images.</param>
    /// <param name="sector">The first of the core image's sectors.</param>
    /// <param name="room">How many sectors there are for it.</param>
    internal static (byte[] Boot, byte[] Core) ReadBios(string directory, long sector, long room)
    {
        byte[] boot = File.ReadAllBytes(BootProgram), core = File.ReadAllBytes($"{directory}/core.img");
        if (boot.Length != GuidPartitionTable.SectorBytes || core.Length <= GuidPartitionTable.SectorBytes || core.Length > room * GuidPartitionTable.SectorBytes)
            throw new UserException($"GRUB's images have an unexpected size ({boot.Length} and {core.Length} bytes); the disk needs GRUB 2 as Debian 12 has it.", ExitStatus.BadConfiguration);
        BinaryPrimitives.WriteInt64LittleEndian(boot.AsSpan(CoreSectorOffset), sector);
        BinaryPrimitives.WriteInt64LittleEndian(core.AsSpan(RestSectorOffset), sector + 1);
        return (boot, core);
    }

    private static void Run(string directory, string platform, string configuration, string output, params string[] more) =>
        HostProgram.Run("grub-mkimage", ["-O", platform, "-p", "/boot/grub", "-c", configuration, "-o", output, .. Modules, .. more], directory);
}
