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
    [InlineData("virtio")]
    [InlineData("sata")]
    public async Task A_disk_boots_by_seabios_and_switches_off(string bus)
    {
        await using Vm vm = Vm.Start("--firmware", "seabios", "--disk", $"{GrubDisk.OfBios(_folder)},bus={bus}", "--net", "none");
        await Command(vm, "halt");
        Assert.Equal(0, await vm.WaitForExit(Patience));
    }

    [ToolTheory(GrubDisk.Maker, GrubDisk.BiosFolder + "/boot.img", "/usr/share/seabios/bios-256k.bin")]
    [InlineData("virtio")]
    [InlineData("sata")]
    public async Task A_reset_boots_again(string bus)
    {
        await using Vm vm = Vm.Start("--firmware", "seabios", "--disk", $"{GrubDisk.OfBios(_folder)},bus={bus}", "--net", "none");
        await Command(vm, "reboot");
        await Command(vm, "halt");
        Assert.Equal(0, await vm.WaitForExit(Patience));
    }

    [ToolTheory(GrubDisk.Maker, "xorriso", GrubDisk.BiosFolder + "/boot.img", "/usr/share/seabios/bios-256k.bin")]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_disc_boots_by_seabios(bool asImage)
    {
        string disc = GrubDisk.OnDisc(_folder);
        await using Vm vm = Vm.Start(asImage ? [disc, "--net", "none"] : ["--cdrom", disc, "--net", "none"]);
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
