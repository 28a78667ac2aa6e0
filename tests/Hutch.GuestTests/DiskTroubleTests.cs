using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>Disks that change, fail, fill up, or lose their machine in the middle of a write.</summary>
public sealed class DiskTroubleTests : IDisposable
{
    private const long DiskBytes = 64 << 20;
    private readonly TemporaryFolder _folder = new();
    private readonly string _name = $"disk-{Guid.NewGuid():N}";

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_disk_has_the_queues_and_the_serial_number_that_it_is_given()
    {
        string disk = _folder.Disk("disk", DiskBytes);
        await using Vm vm = await Vm.Boot("--cpus", "2", "--disk", $"{disk},serial=A-17", "--disk", $"{_folder.Disk("other", DiskBytes)},queues=1");
        Assert.Equal("A-17", await vm.Shell("cat /sys/block/vda/serial"));
        Assert.Equal("2 1", await vm.Shell("echo $(ls /sys/block/vda/mq | wc -l) $(ls /sys/block/vdb/mq | wc -l)"));
        await vm.Shell("for i in 1 2 3 4; do dd if=/dev/vda of=/dev/null bs=64k skip=$((i * 100)) count=100 2>/dev/null & done; wait");
    }

    [Fact]
    public async Task A_disk_grows_under_its_guest()
    {
        string disk = _folder.Disk("disk", DiskBytes);
        await using Vm vm = await Vm.Boot("--name", _name, "--disk", $"{disk},format=raw");
        Assert.Equal(0, (await Launcher.Run("resize", _name, "disk0", "+64M")).Status);
        await vm.Shell("while [ $(cat /sys/block/vda/size) = 131072 ]; do sleep 1; done");
        Assert.Equal("262144", await vm.Shell("cat /sys/block/vda/size"));
        await vm.Shell("dd if=/dev/zero of=/dev/vda bs=1M seek=127 count=1 conv=fsync 2>/dev/null");
        Assert.Equal(2 * DiskBytes, new FileInfo(disk).Length);

        (int status, _, string errors) = await Launcher.Run("resize", _name, "disk0", "64M");
        Assert.Equal(1, status);
        Assert.Contains("would lose", errors, StringComparison.Ordinal);
        (status, _, errors) = await Launcher.Run("resize", _name, "disk9", "64M");
        Assert.Equal(1, status);
        Assert.Contains("There is no disk 'disk9'; the machine has disk0.", errors, StringComparison.Ordinal);
    }

    [RootFact]
    public async Task A_machine_whose_storage_is_full_waits_until_there_is_room()
    {
        string mount = _folder.File("small");
        Directory.CreateDirectory(mount);
        Run("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", mount);
        try
        {
            string disk = Path.Combine(mount, "disk"), filler = Path.Combine(mount, "filler");
            File.WriteAllBytes(filler, new byte[10 << 20]);
            using (FileStream file = new(disk, FileMode.CreateNew)) file.SetLength(DiskBytes);
            await using Vm vm = await Vm.Boot("--name", _name, "--disk", $"{disk},format=raw");
            vm.Send("dd if=/dev/urandom of=/dev/vda bs=1M count=12 conv=fsync 2>/dev/null; echo wri''tten $?\n");
            string status = "";
            for (long end = Environment.TickCount64 + 60_000; !status.Contains("paused", StringComparison.Ordinal) && Environment.TickCount64 < end; await Task.Delay(50))
                status = (await Launcher.Run("status", _name)).Output;
            Assert.Contains("The disk disk0 cannot be", status, StringComparison.Ordinal);
            Assert.Contains("hutch resume", vm.Errors, StringComparison.Ordinal);

            // Nothing has changed: it waits again.
            Assert.Equal(0, (await Launcher.Run("resume", _name)).Status);
            do status = (await Launcher.Run("status", _name)).Output;
            while (!status.Contains("paused", StringComparison.Ordinal));

            File.Delete(filler);
            Assert.Equal(0, (await Launcher.Run("resume", _name)).Status);
            await vm.WaitFor("written 0");
            Assert.Equal(0, await vm.PowerOff());
        }
        finally
        {
            Run("umount", mount);
        }
    }

    [ToolTheory("mke2fs", "qemu-img")]
    [InlineData("raw")]
    [InlineData("qcow2")]
    public async Task A_journal_replays_after_a_kill_and_nothing_synced_is_lost(string format)
    {
        string raw = _folder.Disk("raw", DiskBytes), disk = _folder.File($"disk.{format}");
        Run("mke2fs", "-q", "-t", "ext4", raw);
        Run("qemu-img", "convert", "-f", "raw", "-O", format, raw, disk);
        int synced = 0;
        for (int kill = 0; kill <= 2; kill++)
        {
            await using Vm vm = await Vm.Boot("--disk", $"{disk},format={format}");
            await vm.Shell("mount -t ext4 /dev/vda /mnt");
            Assert.Equal(kill == 0 ? "0" : "1", await vm.Shell("dmesg | grep -c 'recovery complete'; true"));
            Assert.Equal("", await vm.Shell("dmesg | grep -E 'EXT4-fs (error|warning)|I/O error'; true"));
            Assert.Equal("", await vm.Shell($"n={synced}; while [ $n -gt 0 ] && [ $n -gt {synced - 8} ]; do yes $n | head -c 50000 | cmp - /mnt/f$n || echo $n is lost; n=$((n-1)); done"));
            if (kill == 2) break;
            vm.Send($"cd /mnt; n={synced}; while n=$((n+1)); do yes $n | head -c 50000 >f$n; sync; echo syn''ced $n.; rm -f f$((n-100)); done\n");
            for (int i = 0; i < 5 + (3 * kill); i++)
            {
                await vm.WaitFor("synced ");
                synced = int.Parse(await vm.WaitFor("."), CultureInfo.InvariantCulture);
            }
            await vm.Kill();
            if (format == "qcow2") Assert.Contains(Run("qemu-img", "check", disk), (int[])[0, 3]);
        }
    }

    private static int Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        _ = process.StandardOutput.ReadToEnd();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (!arguments.Contains("check")) Assert.True(process.ExitCode == 0, $"{program} ended with {process.ExitCode}: {errors}");
        return process.ExitCode;
    }
}
