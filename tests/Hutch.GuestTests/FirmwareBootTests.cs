using System;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>Real boot loaders, started by real firmware from what a machine can boot from; they switch off and reset as a system does.</summary>
public sealed class FirmwareBootTests : IDisposable
{
    private const int Patience = 300;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [ToolTheory(GrubDisk.Maker, GrubDisk.BiosFolder + "/boot.img", "/usr/share/seabios/bios-256k.bin")]
    [InlineData("q35", "virtio")]
    [InlineData("q35", "sata")]
    [InlineData("q35", "scsi")]
    [InlineData("pc", "ide")]
    public async Task A_disk_boots_by_seabios_boots_again_after_a_reset_and_switches_off(string machine, string bus)
    {
        await using Vm vm = Vm.Start("--machine", machine, "--firmware", "seabios", "--disk", $"{GrubDisk.OfBios(_folder)},bus={bus}", "--net", "none");
        await Command(vm, "reboot");
        await Command(vm, "halt");
        Assert.Equal(0, await vm.WaitForExit(Patience));
    }

    [ToolTheory(GrubDisk.Maker, "xorriso", GrubDisk.BiosFolder + "/boot.img", "/usr/share/seabios/bios-256k.bin")]
    [InlineData("q35", true)]
    [InlineData("pc", false)]
    public async Task A_disc_boots_by_seabios(string machine, bool asImage)
    {
        string disc = GrubDisk.OnDisc(_folder);
        await using Vm vm = Vm.Start(["--machine", machine, "--net", "none", .. asImage ? new[] { disc } : ["--cdrom", disc]]);
        await Command(vm, "halt");
        Assert.Equal(0, await vm.WaitForExit(Patience));
    }

    private static async Task Command(Vm vm, string command, int patience = Patience)
    {
        await vm.WaitFor(GrubDisk.Greeting, patience);
        await vm.WaitFor("grub>", Patience);
        vm.Send($"{command}\r");
    }
}
