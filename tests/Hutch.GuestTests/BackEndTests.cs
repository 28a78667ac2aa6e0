using System;
using System.Diagnostics;
using System.IO;
using System.Security.Cryptography;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>Devices of a guest that programs of Debian 12's qemu-system-common serve: a directory, and a disk.</summary>
public sealed class BackEndTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string _name = $"served-{Guid.NewGuid():N}";

    public void Dispose() => _folder.Dispose();

    [BackEndFact]
    public async Task A_guest_reads_and_writes_a_directory_and_a_disk_of_other_programs()
    {
        string share = Directory.CreateDirectory(_folder.File("share")).FullName, socket = _folder.File("socket");
        byte[] content = new byte[3_000_001];
        new Random(5).NextBytes(content);
        File.WriteAllBytes(Path.Combine(share, "from-host"), content);
        string disk = _folder.File("disk"), diskSocket = _folder.File("disk-socket");
        File.WriteAllBytes(disk, new byte[16 << 20]);
        using Process server = Start(BackEndFactAttribute.Virtiofsd, $"--socket-path={socket}", "-o", $"source={share}", "-o", "sandbox=chroot", "--rlimit-nofile=0"),
            storage = Start(BackEndFactAttribute.StorageDaemon, "--blockdev", $"driver=file,filename={disk},node-name=disk", "--export", $"type=vhost-user-blk,id=disk,node-name=disk,addr.type=unix,addr.path={diskSocket},writable=on");
        try
        {
            while (!File.Exists(socket) || !File.Exists(diskSocket)) await Task.Delay(20);
            await using Vm vm = await Vm.Boot("--name", _name, "--device", $"vhost-user-fs,path={socket},tag=share", "--device", $"vhost-user-blk,path={diskSocket}");
            await vm.Shell("mount -t virtiofs share /mnt");
            Assert.Equal(Sum(content), await vm.Shell("sha256sum </mnt/from-host | cut -c 1-64"));
            // Large and small, names that come and go, and a second session.
            string sum = await vm.Shell("cat /bin/busybox /bin/busybox >/mnt/from-guest; sha256sum </mnt/from-guest | cut -c 1-64");
            Assert.Equal(sum, Sum(File.ReadAllBytes(Path.Combine(share, "from-guest"))));
            Assert.Equal("50", await vm.Shell("mkdir /mnt/a; for i in $(seq 50); do echo $i >/mnt/a/$i; done; mv /mnt/a /mnt/b; ls /mnt/b | wc -l"));
            Assert.Equal("50\n", File.ReadAllText(Path.Combine(share, "b", "50")));
            Assert.Equal("50", await vm.Shell("umount /mnt; mount -t virtiofs share /mnt; cat /mnt/b/50; rm -r /mnt/b"));
            Assert.False(Directory.Exists(Path.Combine(share, "b")));
            Assert.Equal("16777216", await vm.Shell("blockdev --getsize64 /dev/vda"));
            sum = await vm.Shell("head -c 5000000 /dev/urandom >/tmp/random; dd if=/tmp/random of=/dev/vda bs=512k seek=3 conv=fsync 2>/dev/null; sha256sum </tmp/random | cut -c 1-64");
            Assert.Equal(sum, Sum(File.ReadAllBytes(disk).AsSpan(3 << 19, 5_000_000)));
            Assert.Equal(sum, await vm.Shell("echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=512k skip=3 2>/dev/null | head -c 5000000 | sha256sum | cut -c 1-64"));
            Assert.Contains("cannot be saved with the machine", await Launcher.Refused("save", _name, _folder.File("state")), StringComparison.Ordinal);
            // The guest hears of the end of the programs, and nobody waits.
            server.Kill();
            storage.Kill();
            Assert.Contains("Input/output error", await vm.Shell("! cat /mnt/from-host 2>&1 >/dev/null"), StringComparison.Ordinal);
            while (!vm.Errors.Contains($"at {socket} has gone", StringComparison.Ordinal)) await Task.Delay(20);
            await vm.Shell("echo 3 >/proc/sys/vm/drop_caches; ! dd if=/dev/vda of=/dev/null bs=512k skip=20 count=1 2>/dev/null");
            Assert.Equal(0, await vm.PowerOff());
        }
        finally
        {
            server.Kill();
            storage.Kill();
        }
    }

    private static Process Start(string program, params string[] arguments)
    {
        Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        _ = process.StandardError.ReadToEndAsync();
        return process;
    }

    private static string Sum(ReadOnlySpan<byte> content) => Convert.ToHexStringLower(SHA256.HashData(content));
}

/// <summary>A test that needs back ends of Debian 12 (qemu-system-common); only root can start one of them.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class BackEndFactAttribute : FactAttribute
{
    /// <summary>The programs.</summary>
    public const string Virtiofsd = "/usr/lib/qemu/virtiofsd", StorageDaemon = "/usr/bin/qemu-storage-daemon";

    public BackEndFactAttribute()
    {
        foreach (string program in (ReadOnlySpan<string>)[Virtiofsd, StorageDaemon])
            if (!File.Exists(program)) Skip = $"The host has no {program}.";
        if (Environment.UserName != "root") Skip ??= "Only root can start this virtiofsd.";
    }
}
