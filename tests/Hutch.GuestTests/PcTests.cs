using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>The machine pc, with Linux's own drivers of its IDE and USB controllers.</summary>
public sealed class PcTests : IDisposable
{
    // What Linux says when it is told that it goes on as a copy.
    private const string Forks = "dmesg | grep -c 'reseeded due to virtual machine fork' || true";

    // Numbers on the VM clock's page: what changes with each pause, and with each restore.
    private const string Marker = "$(($(devmem 0xff001010 64)))", Generation = "$(($(devmem 0xff001068 64)))";

    private readonly TemporaryFolder _folder = new();
    private readonly string _name = $"pc-{Environment.ProcessId}";

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Linux_drives_ide_disks_a_disc_and_usb_1_and_a_saved_pc_goes_on_with_them()
    {
        string disk = _folder.File("disk"), disc = _folder.File("disc"), state = _folder.File("state"), socket = _folder.File("vnc");
        byte[] content = RandomNumberGenerator.GetBytes(4 << 20);
        File.WriteAllBytes(disk, content);
        File.WriteAllBytes(disc, RandomNumberGenerator.GetBytes(2 << 20));
        string disk1 = _folder.Disk("disk1", 8 << 20);
        long marker, generation;
        await using (Vm vm = await Vm.Boot([.. StockGuest.Options, "--machine", "pc", "--name", _name, "--net", "none", "--device", "vmgenid", "--device", "vmclock", "--display", $"vnc=unix:{socket}", "--device", "usb-kbd",
            "--disk", $"{disk},bus=ide,format=raw,serial=first", "--disk", $"{disk1},bus=ide,format=raw,serial=second", "--cdrom", disc]))
        {
            Assert.Equal("0x1237\n0x7000\n0x7010\n0x7020\n0x7113", await vm.Shell("cd /sys/bus/pci/devices; cat 0000:00:00.0/device 0000:00:01.?/device; cd"));
            Assert.EndsWith("/ata_piix", await vm.Shell("readlink /sys/bus/pci/devices/0000:00:01.1/driver"), StringComparison.Ordinal);
            using (VncClient viewer = await VncClient.Connect(socket)) await UsbTests.TypeAndPoint(vm, viewer);
            Assert.EndsWith("/uhci_hcd", await vm.Shell("readlink /sys/bus/pci/devices/0000:00:01.2/driver"), StringComparison.Ordinal);
            // The disks are found at once, in an order of Linux's.
            await vm.Shell("for d in sda sdb; do dd if=/sys/block/$d/device/vpd_pg80 bs=1 skip=4 2>/dev/null | grep -q first && first=/dev/$d || second=/dev/$d; done; [ $first ] && [ $second ]");
            Assert.Equal($"{Sum(content)}  -\n{Sum(File.ReadAllBytes(disc))}  -", await vm.Shell("sha256sum <$first; sha256sum </dev/sr0"));
            await vm.Shell("dd if=$first of=$second bs=64k conv=fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches");
            Assert.Equal(content, File.ReadAllBytes(disk1).Take(content.Length));
            await Launcher.Done("attach", _name, "--disk", $"{_folder.Disk("plugged", 1 << 20)},format=raw");
            await vm.Shell("until [ -e /dev/vda ]; do usleep 20000; done");
            Assert.Equal("", await vm.Shell("dmesg -r | grep '^<[0-4]>' || true"));
            await ChangeTheDisc(vm, disc);
            Assert.Equal("0", await vm.Shell(Forks));
            // The VM clock: its magic, and UTC in seconds (offsets of Linux, uapi/linux/vmclock-abi.h), as no driver of this kernel reads it.
            Assert.Equal("AMZNC10C:00\n0x4B4C4356", await vm.Shell("ls /sys/bus/acpi/devices | grep AMZNC; devmem 0xff001000 32"));
            Assert.InRange(await Number(vm, "$(($(devmem 0xff001048 64) - $(date +%s)))"), -60, 60);
            (marker, generation) = (await Number(vm, Marker), await Number(vm, Generation));
            await Launcher.Done("save", _name, state);
            Assert.Equal(0, await vm.WaitForExit());
        }
        await using Vm back = Vm.Restore(state);
        back.Send("\n");
        await back.WaitFor("~ # ");
        using (VncClient viewer = await VncClient.Connect(socket)) await UsbTests.TypeAndPoint(back, viewer);
        Assert.Equal($"{Sum(content)}  -\n{Sum(File.ReadAllBytes(disc))}  -", await back.Shell("echo 3 >/proc/sys/vm/drop_caches; dd if=$second bs=1M count=4 2>/dev/null | sha256sum; sha256sum </dev/sr0"));
        Assert.Equal("", await back.Shell("dmesg -r | grep '^<[0-3]>' || true"));
        Assert.Equal("1", await back.Shell(Forks));
        Assert.Equal(marker + 1, await Number(back, Marker));
        Assert.NotEqual(generation, await Number(back, Generation));
        Assert.Equal(0, await back.PowerOff());
    }

    // An empty drive, one whose disc the guest keeps, and in the end another disc of the same file, which the saved state must have.
    private async Task ChangeTheDisc(Vm vm, string disc)
    {
        await Launcher.Done("media", _name, "cdrom0", "none");
        Assert.Contains("No medium", await vm.Shell("head -c 1 /dev/sr0 2>&1 || true"), StringComparison.Ordinal);
        File.WriteAllBytes(disc, RandomNumberGenerator.GetBytes(3 << 20));
        await Launcher.Done("media", _name, "cdrom0", disc);
        Assert.Equal($"{Sum(File.ReadAllBytes(disc))}  -", await vm.Shell("sha256sum </dev/sr0"));
        await vm.Shell("exec 7</dev/sr0");
        (int status, _, string errors) = await Launcher.Run("media", _name, "cdrom0", "none");
        Assert.NotEqual(0, status);
        Assert.Contains("--force", errors, StringComparison.Ordinal);
        await vm.Shell("exec 7<&-");
        await Launcher.Done("media", _name, "cdrom0", disc, "--force");
    }

    private static async Task<long> Number(Vm vm, string expression) => long.Parse(await vm.Shell($"echo {expression}"), CultureInfo.InvariantCulture);

    private static string Sum(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));
}
