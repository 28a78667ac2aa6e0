using System;
using System.IO;
using System.Linq;
using Hutch.Host.Trials;

namespace Hutch.Cli.Doctor;

/// <summary>Where files go, and files that others install: firmware, libraries.</summary>
internal static class FileChecks
{
    private const int MostFirmwareBytes = 8 << 20;

    private static readonly string[] SeaBios = ["/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/bios-256k.bin", "/usr/share/seabios/bios.bin", "/usr/share/qemu/bios.bin"];

    private static readonly string[] Ovmf =
    [
        "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/ovmf/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/qemu/ovmf-x86_64-code.bin",
    ];

    /// <param name="files">The host's files.</param>
    /// <param name="trials">What to execute.</param>
    /// <param name="folder">Where hutch keeps things, an absolute path; need not exist yet.</param>
    internal static FindingGroup Examine(HostFiles files, IHostTrials trials, string folder) => new("Files",
    [
        Disk(files, trials, folder), Firmware(files, "seabios", SeaBios, IsBios, "apt-get install seabios"), Firmware(files, "ovmf", Ovmf, IsVolume, "apt-get install ovmf"),
        Library(trials, "libslirp", "libslirp.so.0", "slirp_version_string", "apt-get install libslirp0"),
        Library(trials, "libzstd", "libzstd.so.1", "ZSTD_versionString", "apt-get install libzstd1"),
    ]);

    private static Finding Disk(HostFiles files, IHostTrials trials, string folder)
    {
        string existing = folder;
        while (existing.Length > 1 && !files.Exists(existing)) existing = Path.GetDirectoryName(existing)!;
        Trial synced = trials.Fsync(files.At(existing));
        if (!synced.Works)
            return Finding.Missing("disk", $"'{existing}' takes no file, or does not bring it to its disk: {synced.Reason}", "set XDG_CACHE_HOME to a directory of yours");
        Mount? mount = Mount.Of(files, existing);
        string where = $"'{existing}' ({mount?.Type ?? "of an unknown file system"})";
        return mount?.Type switch
        {
            "tmpfs" or "ramfs" => Finding.Note("disk", $"{where} lies in memory: what is kept there is gone after a restart", "set XDG_CACHE_HOME to a directory on a disk"),
            "overlay" when mount.Options.Contains("volatile") => Finding.Note("disk", $"{where} is mounted volatile: fsync does nothing", "mount a volume there"),
            "overlay" => Finding.Note("disk", $"{where} is a layer of a container and may go with it; fsync returned", "mount a volume there"),
            "nfs" or "nfs4" or "cifs" or "smb3" or "9p" or "virtiofs" => Finding.Note("disk", $"{where} is on another computer, whose disk decides what fsync is worth; it returned"),
            _ when mount is not null && (mount.Options.Contains("nobarrier") || mount.Options.Contains("barrier=0")) =>
                Finding.Note("disk", $"{where} is mounted without barriers: after a loss of power, what fsync kept may be gone", "mount it with barriers (remove nobarrier)"),
            _ => Finding.Ok("disk", $"{where}: a new file was brought to the disk with fsync"),
        };
    }

    private static Finding Firmware(HostFiles files, string id, string[] candidates, Func<byte[], bool> isRight, string mend)
    {
        string? path = candidates.FirstOrDefault(files.Exists);
        if (path is null) return Finding.Note(id, "not installed", mend);
        byte[] image = files.Start(path, MostFirmwareBytes);
        return isRight(image)
            ? Finding.Ok(id, $"{path}, {image.Length >> 10} KiB")
            : Finding.Note(id, $"{path} is not what its name says", $"{mend} --reinstall");
    }

    // The reset vector, 16 bytes below the end, is a far jump (Intel SDM 3A §10.1.4).
    private static bool IsBios(byte[] image) => image.Length >= 64 << 10 && image.Length % (64 << 10) == 0 && image[^16] == 0xea;

    // A firmware volume has its signature at 40 (UEFI PI 1.8 §3-2.2).
    private static bool IsVolume(byte[] image) => image.Length > 44 && image.AsSpan(40, 4).SequenceEqual("_FVH"u8);

    private static Finding Library(IHostTrials trials, string id, string file, string version, string mend) => trials.Library(file, version) is { } text
        ? Finding.Ok(id, $"{file} loads, version {text}")
        : Finding.Note(id, $"{file} does not load", mend);
}
