using System;
using System.IO;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>Real boot loaders, started by real firmware from what a machine can boot from; they switch off and reset as a system does.</summary>
public sealed class FirmwareBootTests : IDisposable
{
    // OVMF unpacks itself by 32-bit code, which the software engine executes one by one.
    private const int Patience = 300, UefiPatience = 900;
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

    [ToolTheory(GrubDisk.Maker, "mformat", GrubDisk.EfiFolder + "/moddep.lst", "/usr/share/OVMF/OVMF_CODE_4M.fd")]
    [InlineData("virtio")]
    public async Task Ovmf_boots_a_fat_disk_and_a_named_machine_keeps_its_variables(string bus)
    {
        string disk = GrubDisk.OfUefi(_folder), variables = _folder.File("vars.fd"), name = $"uefi-{Environment.ProcessId}";
        byte[] template = File.ReadAllBytes("/usr/share/OVMF/OVMF_VARS_4M.fd");
        File.WriteAllBytes(variables, template);
        string[] options = ["--name", name, "--firmware", $"ovmf,vars={variables}", "--disk", $"{disk},bus={bus}", "--net", "none", "--memory", "256M"];
        await using (Vm vm = Vm.Start(options))
        {
            await Command(vm, "halt", UefiPatience);
            Assert.Equal(0, await vm.WaitForExit(Patience));
        }
        byte[] kept = File.ReadAllBytes(variables);
        Assert.Equal(template.Length, kept.Length);
        // The name of the boot entry that OVMF makes for the disk, in UCS-2.
        Assert.True(kept.AsSpan().IndexOf("B\0o\0o\0t\00\0000\00\0"u8) >= 0 && !kept.AsSpan().SequenceEqual(template));
        await using Vm again = Vm.Start(options);
        await Command(again, "halt", UefiPatience);
        Assert.Equal(0, await again.WaitForExit(Patience));
    }

    private static async Task Command(Vm vm, string command, int patience = Patience)
    {
        await vm.WaitFor(GrubDisk.Greeting, patience);
        await vm.WaitFor("grub>", Patience);
        vm.Send($"{command}\r");
    }
}
