using System;
using System.IO;

namespace Hutch.Host.Firmware;

/// <summary>Where distributions have firmware and option ROMs. Null where this host has none.</summary>
public static class FirmwareFiles
{
    // Debian and its children first, then those that ship QEMU's copy, Fedora and its children, Arch.
    private static readonly string[] SeaBiosPaths = ["/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/bios-256k.bin", "/usr/share/seabios/bios.bin"];

    private static readonly string[] VideoBiosPaths = ["/usr/share/seabios/vgabios-stdvga.bin", "/usr/share/qemu/vgabios-stdvga.bin", "/usr/share/seavgabios/vgabios-stdvga.bin"];

    private static readonly string[] NetworkRomFolders = ["/usr/lib/ipxe/qemu", "/usr/share/ipxe/qemu", "/usr/share/qemu"];

    private static readonly OvmfFiles[] OvmfPaths =
    [
        new("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"), new("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
        new("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"), new("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ];

    /// <summary>SeaBIOS.</summary>
    public static string? SeaBios => Array.Find(SeaBiosPaths, File.Exists);

    /// <summary>SeaBIOS's video BIOS for the standard VGA.</summary>
    public static string? VideoBios => Array.Find(VideoBiosPaths, File.Exists);

    /// <summary>OVMF and the template of its variables.</summary>
    public static OvmfFiles? Ovmf => Array.Find(OvmfPaths, static files => File.Exists(files.Image) && File.Exists(files.Template));

    /// <summary>iPXE's option ROM for a card.</summary>
    /// <param name="card">As iPXE calls it: <c>virtio</c>, <c>e1000</c>, <c>rtl8139</c>.</param>
    public static string? NetworkRom(string card)
    {
        string? folder = Array.Find(NetworkRomFolders, folder => File.Exists(RomPath(folder, card)));
        return folder is null ? null : RomPath(folder, card);
    }

    /// <summary>Where SeaBIOS is first looked for, for messages.</summary>
    public static string UsualSeaBios => SeaBiosPaths[0];

    /// <summary>Where its video BIOS is first looked for.</summary>
    public static string UsualVideoBios => VideoBiosPaths[0];

    /// <summary>Where OVMF is first looked for.</summary>
    public static string UsualOvmf => OvmfPaths[0].Image;

    /// <summary>Where a card's option ROM is first looked for.</summary>
    public static string UsualNetworkRom(string card) => RomPath(NetworkRomFolders[0], card);

    private static string RomPath(string folder, string card) => $"{folder}/pxe-{card}.rom";
}

/// <summary>OVMF's files.</summary>
/// <param name="Image">The firmware.</param>
/// <param name="Template">What its variables are at first.</param>
public sealed record OvmfFiles(string Image, string Template);
