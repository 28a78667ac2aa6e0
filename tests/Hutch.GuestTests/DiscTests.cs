using System;
using System.IO;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>Programs that are no operating system, from the discs that their makers ship.</summary>
public sealed class DiscTests : IDisposable
{
    private const string Memtest = "/usr/lib/memtest86+/memtest86+x64.iso";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [ToolTheory(Memtest, ScreenText.VideoBios, "/usr/share/seabios/bios-256k.bin")]
    [InlineData("64M")]
    public async Task Memtest_starts_and_finds_no_error(string memory)
    {
        string name = $"memtest-{Environment.ProcessId}";
        await using Vm vm = Vm.Start("--name", name, "--cdrom", Memtest, "--net", "none", "--memory", memory, "--display", $"vnc=unix:{_folder.File("vnc")}");
        await ScreenText.WaitFor(name, "Memtest86+ v6", _folder, seconds: 120);
        // The first tests are addresses; then come moving inversions of all of it.
        await ScreenText.WaitFor(name, "Test #4", _folder, seconds: 300);
        await ScreenText.WaitFor(name, "Errors: 0", _folder, seconds: 10);
        Assert.Equal(0, (await Launcher.Run("kill", name)).Status);
    }

    [ToolTheory("mformat", "xorriso", "/usr/share/OVMF/OVMF_CODE_4M.fd")]
    [InlineData("256M")]
    public async Task The_UEFI_shell_runs_what_is_on_the_disc_and_switches_off(string memory)
    {
        string script = _folder.File("startup.nsh"), image = _folder.Disk("efi.img", 1440 << 10), disc = _folder.File("shell.iso"), tree = Directory.CreateDirectory(_folder.File("tree")).FullName;
        // The shell asks for confirmation of nothing; the echo is not what it reads.
        File.WriteAllText(script, "set -v said \"by the shell\"\r\necho The disc was read %said%\r\nreset -s\r\n");
        GrubDisk.Run("mformat", "-i", image, "-f", "1440", "::");
        GrubDisk.Run("mcopy", "-i", image, script, "::/startup.nsh");
        File.Copy(image, $"{tree}/efi.img");
        GrubDisk.Run("xorriso", "-as", "mkisofs", "-quiet", "-o", disc, "-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot", tree);
        await using Vm vm = Vm.Start("--firmware", "ovmf", "--cdrom", disc, "--net", "none", "--memory", memory);
        await vm.WaitFor("UEFI Interactive Shell", seconds: 600);
        await vm.WaitFor("The disc was read by the shell", seconds: 120);
        Assert.Equal(0, await vm.WaitForExit(120));
    }
}
