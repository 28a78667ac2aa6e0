using System;
using System.Collections.Generic;
using System.IO;
using Hutch.Cli.Guests;

namespace Hutch.Cli.Debian;

/// <summary>How the disk is divided: GRUB's core image, the EFI system partition with GRUB in it, and the root file system.</summary>
internal static class DiskLayout
{
    /// <summary>Length of the disk in bytes.</summary>
    internal const long DiskBytes = 8L << 30;

    /// <summary>Where the root file system begins, in bytes.</summary>
    internal const long RootOffset = RootFirst * GuidPartitionTable.SectorBytes;

    /// <summary>How long it is, in bytes.</summary>
    internal const long RootBytes = (End - RootFirst) * GuidPartitionTable.SectorBytes;

    private const long Mebibyte = 2048, BiosFirst = Mebibyte, EfiFirst = 2 * Mebibyte, RootFirst = 16 * Mebibyte;
    private const long End = (DiskBytes / GuidPartitionTable.SectorBytes - GuidPartitionTable.TailSectors) / Mebibyte * Mebibyte;

    // UEFI 2.10 §5.3.3; GRUB's manual "BIOS installation"; Linux file system data.
    private static readonly Guid BiosType = new("21686148-6449-6E6F-744E-656564454649"), EfiType = new("C12A7328-F81F-11D2-BA4B-00A0C93EC93B"),
        LinuxType = new("0FC63DAF-8483-4772-8E79-3D69D8477DE4");

    private static readonly Partition[] Partitions =
    [
        new(BiosType, "bios", BiosFirst, EfiFirst - BiosFirst),
        new(EfiType, "efi", EfiFirst, RootFirst - EfiFirst),
        new(LinuxType, "root", RootFirst, End - RootFirst),
    ];

    /// <summary>Writes everything but the root file system.</summary>
    /// <param name="path">The disk, of its full length.</param>
    /// <param name="directory">Where GRUB's images are, and temporary files go.</param>
    internal static void Write(string path, string directory)
    {
        string efi = MakeEfiPartition(directory);
        (byte[] boot, byte[] core) = GrubImages.ReadBios(directory, BiosFirst, EfiFirst - BiosFirst);
        using FileStream disk = new(path, FileMode.Open, FileAccess.ReadWrite);
        GuidPartitionTable.Write(disk, Guid.NewGuid(), Partitions, boot);
        disk.Position = BiosFirst * GuidPartitionTable.SectorBytes;
        disk.Write(core);
        disk.Position = EfiFirst * GuidPartitionTable.SectorBytes;
        using FileStream source = new(efi, FileMode.Open, FileAccess.Read);
        source.CopyTo(disk);
    }

    // Firmware looks for this path on a disk that it knows nothing about (UEFI 2.10 §3.5.1.1).
    private static string MakeEfiPartition(string directory)
    {
        string path = $"{directory}/efi.img";
        using (FileStream file = new(path, FileMode.CreateNew)) file.SetLength((RootFirst - EfiFirst) * GuidPartitionTable.SectorBytes);
        foreach (string[] command in (IReadOnlyList<string[]>)
        [
            ["mformat", "-i", path, "-T", $"{RootFirst - EfiFirst}", "-v", "EFI", "::"],
            ["mmd", "-i", path, "::/EFI", "::/EFI/BOOT"],
            ["mcopy", "-i", path, $"{directory}/BOOTX64.EFI", "::/EFI/BOOT/BOOTX64.EFI"],
        ]) HostProgram.Run(command[0], command[1..], directory);
        return path;
    }
}
