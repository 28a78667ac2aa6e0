using System;
using System.IO;
using System.Security.Cryptography;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

public sealed class DiskTests : IDisposable
{
    private const long DiskBytes = 64 << 20;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_disk_reads_what_the_host_wrote_and_keeps_what_the_guest_wrote()
    {
        string disk = _folder.Disk("disk", DiskBytes);
        byte[] content = RandomNumberGenerator.GetBytes(8 << 20);
        using (FileStream file = new(disk, FileMode.Open)) file.Write(content);
        await using (Vm vm = await Vm.Boot("--disk", disk))
        {
            Assert.Equal($"{DiskBytes / 512}", await vm.Shell("cat /sys/block/vda/size"));
            Assert.StartsWith(Convert.ToHexStringLower(SHA256.HashData(content)), await vm.Shell("dd if=/dev/vda bs=1M count=8 2>/dev/null | sha256sum"), StringComparison.Ordinal);
            await vm.Shell("dd if=/dev/vda of=/dev/vda bs=1M count=8 seek=16 2>/dev/null");
            Assert.Equal(0, await vm.PowerOff());
        }
        byte[] copy = new byte[content.Length];
        using (FileStream file = new(disk, FileMode.Open))
        {
            Assert.Equal(DiskBytes, file.Length);
            file.Position = 16 << 20;
            file.ReadExactly(copy);
        }
        Assert.True(content.AsSpan().SequenceEqual(copy));
    }

    [Theory]
    [InlineData("mke2fs -q /dev/vda", "ext4")]
    [InlineData("mkdosfs /dev/vda", "vfat")]
    public async Task A_file_system_survives_a_power_off_and_a_kill_after_sync(string format, string type)
    {
        string disk = _folder.Disk("disk", DiskBytes);
        await using (Vm vm = await Vm.Boot("--disk", disk))
        {
            await vm.Shell($"{format} && mount -t {type} /dev/vda /mnt");
            await vm.Shell("echo first >/mnt/first");
            // No umount: power-off does that.
            Assert.Equal(0, await vm.PowerOff());
        }
        await using (Vm vm = await Vm.Boot("--disk", disk))
        {
            await vm.Shell($"mount -t {type} /dev/vda /mnt");
            Assert.Equal("first", await vm.Shell("cat /mnt/first"));
            await vm.Shell("echo second >/mnt/second; sync");
            await vm.Kill();
        }
        await using (Vm vm = await Vm.Boot("--disk", disk))
        {
            await vm.Shell($"mount -t {type} /dev/vda /mnt");
            Assert.Equal("first second", await vm.Shell("echo $(cat /mnt/first /mnt/second)"));
        }
    }

    [Fact]
    public async Task A_read_only_disk_cannot_be_written()
    {
        string disk = _folder.Disk("disk", DiskBytes);
        await using Vm vm = await Vm.Boot("--disk", $"{disk},readonly");
        Assert.Equal("1", await vm.Shell("cat /sys/block/vda/ro"));
        Assert.Equal("refused", await vm.Shell("dd if=/dev/zero of=/dev/vda bs=512 count=1 2>/dev/null && echo written || echo refused"));
    }

    [Fact]
    public async Task Several_disks_come_in_the_order_of_the_options()
    {
        await using Vm vm = await Vm.Boot("--disk", _folder.Disk("a", 1 << 20), "--disk", _folder.Disk("b", 2 << 20), "--disk", _folder.Disk("c", 3 << 20));
        Assert.Equal("2048 4096 6144", await vm.Shell("echo $(cat /sys/block/vd?/size)"));
    }

    [Fact]
    public async Task A_disk_in_use_is_refused_until_its_user_is_gone()
    {
        string disk = _folder.Disk("disk", 1 << 20);
        await using (Vm owner = await Vm.Boot("--disk", disk))
        {
            (int status, _, string errors) = await Launcher.Run("run", "--disk", disk);
            Assert.Equal(1, status);
            Assert.Contains(disk, Assert.Single(errors.TrimEnd().Split('\n')), StringComparison.Ordinal);
            await owner.Kill();
        }
        await using Vm next = await Vm.Boot("--disk", disk);
        Assert.Equal(0, await next.PowerOff());
    }
}
