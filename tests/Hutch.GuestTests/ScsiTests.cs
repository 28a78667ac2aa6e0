using System;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>Disks on a virtio SCSI host, with Linux's own drivers.</summary>
public sealed class ScsiTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Linux_drives_scsi_disks_and_gives_back_what_it_does_not_need()
    {
        string first = _folder.File("first"), second = _folder.Disk("second", 8 << 20);
        byte[] content = RandomNumberGenerator.GetBytes(4 << 20);
        File.WriteAllBytes(first, content);
        await using Vm vm = await Vm.Boot([.. StockGuest.Options, "--net", "none",
            "--disk", $"{first},bus=scsi,format=raw,serial=first,discard=on", "--disk", $"{second},bus=scsi,format=raw,serial=second,discard=on"]);
        // The disks are found at once, in an order of Linux's.
        await vm.Shell("for d in sda sdb; do until [ -e /dev/$d ]; do usleep 20000; done; dd if=/sys/block/$d/device/vpd_pg80 bs=1 skip=4 2>/dev/null | grep -q first && first=$d || second=$d; done; [ $first ] && [ $second ]");
        Assert.EndsWith("/virtio_scsi", await vm.Shell("readlink /sys/block/$first/device/../../../driver"), StringComparison.Ordinal);
        Assert.Equal($"{Convert.ToHexStringLower(SHA256.HashData(content))}  -", await vm.Shell("sha256sum </dev/$first"));
        await vm.Shell("dd if=/dev/$first of=/dev/$second bs=64k conv=fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches");
        Assert.Equal(content, File.ReadAllBytes(second).Take(content.Length));
        await vm.Shell("blkdiscard -o 1048576 -l 2097152 /dev/$second");
        byte[] left = File.ReadAllBytes(second);
        Assert.Equal(content.Take(1 << 20), left.Take(1 << 20));
        Assert.All(left.Skip(1 << 20).Take(2 << 20), static value => Assert.Equal(0, value));
        // That a unit was switched on is a warning to Linux.
        Assert.Equal("", await vm.Shell("dmesg -r | grep '^<[0-4]>' | grep -v 'Power-on or device reset occurred' || true"));
        Assert.Equal(0, await vm.PowerOff());
    }
}
