using System;
using System.Globalization;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>A whole Debian 12, made once from its packages: it boots on its own, by both kinds of firmware, and its disk is kept or forgotten as was said.</summary>
public sealed partial class DebianTests : IDisposable
{
    // The first test makes the disk too.
    private const int MakingSeconds = 1800, BootSeconds = 600, StopSeconds = 300, PackageSeconds = 900;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [DebianFact]
    public async Task It_comes_to_a_shell_is_reached_by_ssh_and_switches_off()
    {
        await using Vm vm = Vm.Start("debian");
        string prompt = await Login(vm, MakingSeconds);
        Assert.Matches(@"^debian-\d+$", prompt);
        Assert.Contains("inet 10.0.2.15/24", await Shell(vm, "until ip -4 -o addr show scope global | grep inet; do sleep 1; done"), StringComparison.Ordinal);
        await Shell(vm, "until systemctl -q is-active ssh; do sleep 1; done");
        Match port = SshPort().Match(vm.Errors);
        // A host without a key of its user's is told so instead of the port.
        if (port.Success) Assert.StartsWith("SSH-2.0-OpenSSH", await Greeting(int.Parse(port.Groups[1].Value, CultureInfo.InvariantCulture)), StringComparison.Ordinal);
        else Assert.Contains("no public key", vm.Errors, StringComparison.Ordinal);
        Assert.Equal("debian", await Shell(vm, ". /etc/os-release; echo $ID"));
        vm.Send("poweroff\n");
        Assert.Equal(0, await vm.WaitForExit(StopSeconds));
    }

    [DebianTheory]
    [InlineData("seabios")]
    [InlineData("ovmf")]
    public async Task Its_disk_boots_by_firmware_takes_a_package_and_boots_by_itself_again(string firmware)
    {
        await using Vm vm = Vm.Start("debian", "--firmware", firmware);
        string name = await Login(vm, MakingSeconds);
        Assert.Matches(@"^debian-\d+$", name);
        Assert.DoesNotContain("/dev/vda3", await Shell(vm, "cat /proc/cmdline"), StringComparison.Ordinal);
        Assert.Equal(firmware == "ovmf" ? "uefi" : "bios", await Shell(vm, "[ -d /sys/firmware/efi ] && echo uefi || echo bios"));
        Assert.Equal("", await Shell(vm, "apt-get -qq update && apt-get -qq install hello >/root/log 2>&1 || cat /root/log", PackageSeconds));
        vm.Send("reboot\n");
        await vm.WaitFor("reboot: Restarting system", StopSeconds);
        Assert.Equal(name, await Login(vm, BootSeconds));
        Assert.Equal("Hello, world!", await Shell(vm, "hello"));
        vm.Send("poweroff\n");
        Assert.Equal(0, await vm.WaitForExit(StopSeconds));
    }

    [DebianFact]
    public async Task The_disk_of_a_machine_with_a_name_stays_until_it_is_removed()
    {
        string name = $"kept-{Environment.ProcessId}";
        await using (Vm vm = Vm.Start("debian", "--name", name))
        {
            Assert.Equal(name, await Login(vm, MakingSeconds));
            await Shell(vm, "echo stays >/root/file");
            Assert.Contains("is in use", (await Launcher.Run("images", "rm", name)).Errors, StringComparison.Ordinal);
            vm.Send("poweroff\n");
            Assert.Equal(0, await vm.WaitForExit(StopSeconds));
        }
        await using (Vm vm = Vm.Start("debian", "--name", name))
        {
            await Login(vm, BootSeconds);
            Assert.Equal("stays", await Shell(vm, "cat /root/file"));
            vm.Send("poweroff\n");
            Assert.Equal(0, await vm.WaitForExit(StopSeconds));
        }
        Assert.Contains($"\"name\":\"{name}\",\"kind\":\"disk\"", (await Launcher.Run("images", "--json")).Output, StringComparison.Ordinal);
        Assert.Equal(0, (await Launcher.Run("images", "rm", name)).Status);
        Assert.DoesNotContain(name, (await Launcher.Run("images")).Output, StringComparison.Ordinal);
    }

    [DebianFact]
    public async Task Everything_comes_and_goes_under_load()
    {
        await using Vm vm = Vm.Start("debian", "--cpus", "2,max=4", "--memory", "1G,max=2G", "--net", "none", "--disk", $"{_folder.Disk("work", 64 << 20)},format=raw");
        string name = await Login(vm, MakingSeconds), disk = _folder.Disk("other", 16 << 20);
        await Shell(vm, "set +m; systemctl is-system-running --wait; modprobe virtio_mem; dmesg -C; head -c 8M /dev/urandom >/root/data; sha256sum </root/data >/root/sum");
        await Shell(vm, "(while [ ! -e /root/end ]; do dd if=/dev/vdb of=/dev/null bs=64k iflag=direct 2>/dev/null; dd if=/root/data of=/root/copy bs=64k oflag=direct conv=fsync 2>/dev/null; sha256sum </root/copy | cmp -s - /root/sum || echo wrong >>/root/wrong; done) & true");
        for (int i = 0; i < HotplugCycles.Count; i++)
        {
            Assert.Equal("disk2", await Launcher.Done("attach", name, "--disk", $"{disk},format=raw,serial=c{i}"));
            Assert.Equal("nic0", await Launcher.Done("attach", name, "--net", "user,mac=52:54:00:12:34:56"));
            await Launcher.Done("set", name, "--vcpus", "4");
            await Launcher.Done("set", name, "--memory", "2G");
            await Shell(vm, $"until [ \"$(lsblk -dno SERIAL /dev/vdc 2>/dev/null)\" = c{i} ]; do sleep .1; done; echo {i} | dd of=/dev/vdc bs=512 seek={i} conv=sync,fsync 2>/dev/null");
            await Shell(vm, "until ip -4 -o addr show scope global | grep -q 10.0.2; do sleep .1; done; ping -c 1 -w 20 10.0.2.2 >/dev/null || echo unreached >>/root/wrong");
            Assert.Equal("4", await Shell(vm, "until [ $(nproc) = 4 ]; do sleep .1; done; nproc"));
            await Launcher.Done("set", name, "--memory", "1G", "--timeout", "300");
            await Launcher.Done("set", name, "--vcpus", "2", "--timeout", "50");
            await Launcher.Done("detach", name, "nic0", "--timeout", "50");
            await Launcher.Done("detach", name, "disk2", "--timeout", "50");
            Assert.Equal($"{i}", File.ReadAllText(disk).Substring(512 * i, $"{i}".Length));
        }
        Assert.Equal("", await Shell(vm, "touch /root/end; wait; cat /root/wrong 2>/dev/null; dmesg --level emerg,alert,crit,err,warn"));
        vm.Send("poweroff\n");
        Assert.Equal(0, await vm.WaitForExit(StopSeconds));
    }

    // Returns the host name, as the prompt has it.
    private static async Task<string> Login(Vm vm, int seconds)
    {
        await vm.WaitFor("root@", seconds);
        return await vm.WaitFor(":~#");
    }

    private static async Task<string> Shell(Vm vm, string command, int seconds = StopSeconds)
    {
        string mark = Guid.NewGuid().ToString("N")[..8];
        // The quotes keep the marks out of the echo of what is typed.
        vm.Send($"echo '@@'B{mark}; {command}; echo '@@'E{mark}\n");
        await vm.WaitFor($"@@B{mark}\r\n", StopSeconds);
        string output = await vm.WaitFor($"@@E{mark}", seconds);
        await vm.WaitFor(":~#");
        return EscapeSequence().Replace(output, "").Replace("\r\n", "\n", StringComparison.Ordinal).TrimEnd('\n');
    }

    private static async Task<string> Greeting(int port)
    {
        using TcpClient client = new();
        await client.ConnectAsync(IPAddress.Loopback, port);
        using StreamReader reader = new(client.GetStream(), Encoding.ASCII);
        return await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(StopSeconds)) ?? "";
    }

    [GeneratedRegex(@"ssh -p (\d+) ")]
    private static partial Regex SshPort();

    [GeneratedRegex("\x1b\\[[0-9;?]*[A-Za-z]")]
    private static partial Regex EscapeSequence();
}

/// <summary>A test that boots a whole Debian: minutes on the software engine, so that it runs when it is asked for.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class DebianFactAttribute : FactAttribute
{
    public DebianFactAttribute() => Skip = DebianTheoryAttribute.Missing;
}

/// <summary>The same with rows.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class DebianTheoryAttribute : TheoryAttribute
{
    public DebianTheoryAttribute() => Skip = Missing;

    internal static string? Missing => Environment.GetEnvironmentVariable("HUTCH_DEBIAN") == "1" ? SlirpTheoryAttribute.Missing
        : "Making and booting a whole Debian takes minutes; HUTCH_DEBIAN=1 runs this.";
}
