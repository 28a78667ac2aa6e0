using System;
using System.IO;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>Devices that come and go while a guest runs.</summary>
public sealed class HotplugTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string _name = $"plug-{Environment.ProcessId}";

    public void Dispose() => _folder.Dispose();

    [SlirpFact]
    public async Task Disks_and_network_cards_are_plugged_in_and_pulled_out_under_load()
    {
        string disk = _folder.File("disk"), other = _folder.File("other");
        File.WriteAllBytes(disk, new byte[8 << 20]);
        File.WriteAllBytes(other, new byte[8 << 20]);
        await using Vm vm = await Vm.Boot("--name", _name, "--disk", $"{disk},format=raw", "--net", "none");
        await vm.Shell("modprobe virtio_net; dmesg -c >/dev/null; { while :; do dd if=/dev/vda of=/dev/null bs=64k; done >/dev/null 2>&1 & }");
        for (int i = 0; i < HotplugCycles.Count; i++)
        {
            Assert.Equal("disk1", await Launcher.Done("attach", _name, "--disk", $"{other},format=raw,serial=c{i}"));
            await vm.Shell($"until [ $(cat /sys/block/vdb/serial) = c{i} ]; do usleep 20000; done; echo {i} | dd of=/dev/vdb bs=512 seek={i} conv=sync,fsync");
            Assert.Equal("nic0", await Launcher.Done("attach", _name, "--net", "user,mac=52:54:00:12:34:56"));
            await vm.Shell("until [ -e /sys/class/net/eth0 ]; do usleep 20000; done; ifconfig eth0 10.0.2.15 up; ping -c 1 -w 10 10.0.2.2");
            await Launcher.Done("detach", _name, "disk1");
            await vm.Shell("[ ! -e /sys/block/vdb ]");
            Assert.Equal($"{i}", File.ReadAllText(other).Substring(512 * i, $"{i}".Length));
            await Launcher.Done("detach", _name, "nic0");
            await vm.Shell("[ ! -e /sys/class/net/eth0 ]");
        }
        Assert.Equal("", await vm.Shell("dmesg -r | grep '^<[0-4]>' || true"));
        Assert.Equal(0, await vm.PowerOff());
    }

    [Fact]
    public async Task A_plugged_disk_survives_a_reset_and_a_restore()
    {
        string disk = _folder.File("disk"), state = _folder.File("state");
        File.WriteAllBytes(disk, new byte[8 << 20]);
        await using (Vm vm = await Vm.Boot("--name", _name, "--net", "none"))
        {
            Assert.Equal("rng1", await Launcher.Done("attach", _name, "--device", "virtio-rng,id=rng1"));
            Assert.Equal("disk0", await Launcher.Done("attach", _name, "--disk", $"{disk},format=raw"));
            await Launcher.Done("detach", _name, "rng1");
            await vm.Shell("modprobe virtio_blk; until [ -e /dev/vda ]; do usleep 20000; done; echo before | dd of=/dev/vda conv=sync,fsync");
            await Launcher.Done("reset", _name);
            await vm.WaitFor(Vm.Greeting);
            await vm.WaitFor("~ # ");
            Assert.Equal("before", await vm.Shell("dd if=/dev/vda count=1 2>/dev/null | head -1"));
            await Launcher.Done("save", _name, state);
            Assert.Equal(0, await vm.WaitForExit());
        }
        await using Vm back = Vm.Restore(state);
        back.Send("\n");
        await back.WaitFor("~ # ");
        Assert.Equal("before", await back.Shell("dd if=/dev/vda count=1 iflag=direct 2>/dev/null | head -1"));
        await Launcher.Done("detach", _name, "disk0");
        await back.Shell("[ ! -e /dev/vda ]");
        Assert.Equal(0, await back.PowerOff());
    }

    [Fact]
    public async Task What_cannot_be_plugged_or_pulled_says_why()
    {
        string disk = _folder.File("disk");
        File.WriteAllBytes(disk, new byte[1 << 20]);
        await using Vm vm = await Vm.Boot("--name", _name, "--disk", $"{disk},format=raw", "--net", "none");
        Assert.Contains("disk7", await Launcher.Refused("detach", _name, "disk7"), StringComparison.Ordinal);
        Assert.Contains("is part of the machine", await Launcher.Refused("detach", _name, "com1"), StringComparison.Ordinal);
        Assert.Contains("/nowhere", await Launcher.Refused("attach", _name, "--disk", "/nowhere"), StringComparison.Ordinal);
        Assert.Contains(disk, await Launcher.Refused("attach", _name, "--disk", $"{disk},format=raw"), StringComparison.Ordinal);
        Assert.Contains("cannot be plugged into a running machine", await Launcher.Refused("attach", _name, "--device", "virtio-balloon"), StringComparison.Ordinal);
        await Launcher.Done("pause", _name);
        Assert.Contains("has not given 'disk0' up within 0 s", await Launcher.Refused("detach", _name, "disk0", "--timeout", "0"), StringComparison.Ordinal);
        await Launcher.Done("resume", _name);
        await vm.Shell("while [ -e /dev/vda ]; do usleep 20000; done");
        Assert.Equal(0, await vm.PowerOff());
    }
}
