using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>The tiny guest on networks: what arrives is what was sent.</summary>
public sealed partial class NetworkTests : IDisposable
{
    private const int TransferBytes = 16 << 20;
    private const string WaitForAddress = "until ifconfig eth0 2>/dev/null | grep -q 'inet addr'; do usleep 20000; done";

    // State 0A is LISTEN (proc(5)).
    private const string WaitForListener = "until cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ':0000 0A '; do usleep 20000; done";

    // How much goes over the bridge: a little, or as HUTCH_BRIDGE_MEGABYTES says.
    private static readonly int BridgeMegabytes = int.Parse(Environment.GetEnvironmentVariable("HUTCH_BRIDGE_MEGABYTES") ?? "16", CultureInfo.InvariantCulture);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();


    [SlirpFact]
    public async Task The_tiny_guest_gets_an_address_a_gateway_and_a_name_server()
    {
        await using Vm vm = await Vm.Boot();
        await vm.Shell(WaitForAddress);
        Assert.Contains("inet addr:10.0.2.15", await vm.Shell("ifconfig eth0"), StringComparison.Ordinal);
        Assert.Contains("MTU:65520", await vm.Shell("ifconfig eth0"), StringComparison.Ordinal);
        Assert.Equal("nameserver 10.0.2.3", await vm.Shell("until [ -s /etc/resolv.conf ]; do usleep 20000; done; cat /etc/resolv.conf"));
        Assert.Contains("1 packets received", await vm.Shell("ping -c 1 10.0.2.2"), StringComparison.Ordinal);
        Assert.Equal(0, await vm.PowerOff());
    }

    [SlirpTheory]
    [InlineData("")]
    [InlineData(",mtu=1500")]
    public async Task What_is_sent_both_ways_over_a_user_network_arrives_whole(string options)
    {
        string capture = _folder.File("capture");
        await using Vm vm = await Vm.Boot("--net", $"user{options},capture={capture}");
        await vm.Shell(WaitForAddress);
        await FileExchange.BothWays(vm, TransferBytes);
        Assert.Equal(0, await vm.PowerOff());
        // Wireshark's section header, and all of what went over the network.
        byte[] captured = await File.ReadAllBytesAsync(capture);
        Assert.Equal([0x0a, 0x0d, 0x0d, 0x0a], captured[..4]);
        Assert.InRange(captured.Length, 2 * TransferBytes, 3 * TransferBytes);
    }

    [SlirpFact]
    public async Task A_forwarded_port_reaches_the_guest()
    {
        await using Vm vm = await Vm.Boot("--net", "user,hostfwd=tcp:127.0.0.1:0-:7");
        await vm.Shell(WaitForAddress);
        await vm.Shell("{ nc -l -p 7 -e cat & }; " + WaitForListener);
        Match said = ForwardedPort().Match(vm.Errors);
        Assert.True(said.Success, vm.Errors);
        byte[] content = RandomNumberGenerator.GetBytes(1 << 20), back = new byte[content.Length];
        using TcpClient client = new();
        await client.ConnectAsync(IPAddress.Loopback, int.Parse(said.Groups[1].Value, CultureInfo.InvariantCulture));
        Task sending = client.GetStream().WriteAsync(content).AsTask();
        await client.GetStream().ReadExactlyAsync(back);
        await sending;
        Assert.True(content.AsSpan().SequenceEqual(back));
        Assert.Equal(0, await vm.PowerOff());
    }

    [SlirpFact]
    public async Task A_pulled_cable_is_seen_by_the_guest()
    {
        string name = $"cable-{Environment.ProcessId}";
        await using Vm vm = await Vm.Boot("--name", name);
        await vm.Shell(WaitForAddress);
        Assert.Equal("1", await vm.Shell("cat /sys/class/net/eth0/carrier"));
        Assert.Equal(0, (await Launcher.Run("set", name, "--link", "nic0=down")).Status);
        await vm.Shell("until [ $(cat /sys/class/net/eth0/carrier) = 0 ]; do usleep 20000; done");
        Assert.Equal(0, (await Launcher.Run("set", name, "--link", "nic0=up")).Status);
        await vm.Shell("until [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do usleep 20000; done; ping -c 1 10.0.2.2");
        (int status, _, string errors) = await Launcher.Run("set", name, "--link", "nic7=down");
        Assert.Equal(1, status);
        Assert.Contains("the machine has nic0", errors, StringComparison.Ordinal);
        Assert.Equal(0, await vm.PowerOff());
    }

    [SlirpFact]
    public async Task A_restored_guest_reaches_its_network()
    {
        string name = $"moved-{Environment.ProcessId}", state = _folder.File("state");
        await using (Vm vm = await Vm.Boot("--name", name))
        {
            await vm.Shell(WaitForAddress);
            Assert.Equal(0, (await Launcher.Run("save", name, state)).Status);
            Assert.Equal(0, await vm.WaitForExit());
        }
        await using Vm back = Vm.Restore(state);
        back.Send("\n");
        await back.WaitFor("~ # ");
        Assert.Contains("1 packets received", await back.Shell("ping -c 1 10.0.2.2"), StringComparison.Ordinal);
        Assert.Equal(0, await back.PowerOff());
    }

    [SlirpFact]
    public async Task Two_machines_cannot_have_one_address()
    {
        string[] options = ["--net", "user,mac=52:54:00:aa:bb:cc"];
        await using PlacedVm vm = await PlacedVm.Start(_folder, options);
        (int status, _, string errors) = await Launcher.Run(["run", "--engine", "software", "--kernel", Multiboot.Write(_folder, [0xf4]), .. options]);
        Assert.Equal(1, status);
        Assert.Contains("cannot have the address 52:54:00:aa:bb:cc: the machine 'placed-", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, "--net 'avian'", "avian")]
    [InlineData(2, "mac is six bytes", "user,mac=52:54:00")]
    [InlineData(2, "'hostfwd' is not known", "bridge=br0,hostfwd=tcp::1-:2")]
    [InlineData(2, "is no forwarded port", "user,hostfwd=tcp:22")]
    [InlineData(2, "mtu is a number from 68 to 65520", "user,mtu=70000")]
    [InlineData(2, "in is bytes for a second", "user,in=fast")]
    [InlineData(1, "is not in the user network", "user,host=10.9.9.9")]
    [InlineData(1, "There is no bridge nobridge0", "bridge=nobridge0")]
    [InlineData(1, "No network process answers at /nonexistent/socket", "passt=/nonexistent/socket")]
    [InlineData(1, "The capture file /nonexistent/file", "user,capture=/nonexistent/file")]
    public async Task What_cannot_be_is_one_sentence(int status, string part, string net)
    {
        (int actual, _, string errors) = await Launcher.Run("run", "--engine", "software", "--kernel", Multiboot.Write(_folder, [0xf4]), "--net", net);
        Assert.Contains(part, Assert.Single(errors.TrimEnd('\n').Split('\n')), StringComparison.Ordinal);
        Assert.Equal(status, actual);
    }

    [NetworkNamespaceFact]
    public async Task Two_guests_on_a_bridge_reach_each_other_and_the_host_and_lose_nothing()
    {
        string space = $"hutch-{Environment.ProcessId}";
        await Ip("netns", "add", space);
        try
        {
            await Ip("-n", space, "link", "add", "br0", "type", "bridge");
            await Ip("-n", space, "addr", "add", "10.77.0.1/24", "dev", "br0");
            await Ip("-n", space, "link", "set", "br0", "up");
            string[] inside = ["ip", "netns", "exec", space];
            await using Vm first = await Vm.BootBehind(inside, "--net", "bridge=br0,queues=2", "--cpus", "2", "--memory", "256M");
            await using Vm second = await Vm.BootBehind(inside, "--net", "bridge=br0", "--memory", "256M");
            await SetAddress(first, "10.77.0.2");
            await SetAddress(second, "10.77.0.3");
            foreach (string peer in (string[])["10.77.0.1", "10.77.0.3"])
                Assert.Equal("", await first.Shell($"for size in 64 1400 9000 65000; do ping -c 1 -w 10 -s $size {peer} | grep -q '1 packets received' || echo $size; done"));
            await first.Shell("head -c 65536 /dev/urandom >/tmp/file");
            foreach (int size in (int[])[64, 1460, 1461, 9000, 65536]) await SendOnBridge(first, second, $"head -c {size} /tmp/file");
            await first.Shell("head -c 1048576 /dev/urandom >/tmp/file");
            await SendOnBridge(first, second, $"for i in $(seq {BridgeMegabytes}); do cat /tmp/file; done");
            Assert.Equal(0, await first.PowerOff());
            Assert.Equal(0, await second.PowerOff());
        }
        finally
        {
            await Ip("netns", "del", space);
        }
    }

    // What a command prints in the first guest comes out of the second.
    private static async Task SendOnBridge(Vm first, Vm second, string command)
    {
        await second.Shell("rm -f /tmp/sum; { nc -l -p 9 | sha256sum >/tmp/sum & }; " + WaitForListener);
        string sum = await first.Shell($"{{ {command}; }} | nc 10.77.0.3 9; {{ {command}; }} | sha256sum", seconds: 1200);
        Assert.Equal(sum, await second.Shell("until [ -s /tmp/sum ]; do usleep 20000; done; cat /tmp/sum"));
    }

    private static async Task SetAddress(Vm vm, string address)
    {
        await vm.Shell("until [ -e /sys/class/net/eth0 ] && killall udhcpc 2>/dev/null; do usleep 20000; done");
        await vm.Shell($"ifconfig eth0 {address} netmask 255.255.255.0 up");
    }

    private static async Task Ip(params string[] arguments)
    {
        using Process ip = Process.Start("ip", arguments);
        await ip.WaitForExitAsync();
        Assert.Equal(0, ip.ExitCode);
    }

    [GeneratedRegex(@"TCP port (\d+) of 127\.0\.0\.1 leads to port 7 of the guest\.")]
    private static partial Regex ForwardedPort();
}

/// <summary>A test of a user network: the host has libslirp.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SlirpFactAttribute : FactAttribute
{
    public SlirpFactAttribute() => Skip = SlirpTheoryAttribute.Missing;
}

/// <summary>The same with rows.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SlirpTheoryAttribute : TheoryAttribute
{
    public SlirpTheoryAttribute() => Skip = Missing;

    internal static string? Missing => Directory.EnumerateFiles("/usr/lib", "libslirp.so.0", SearchOption.AllDirectories).Any() ? null : "The host has no libslirp.";
}

/// <summary>A test that makes a network namespace with tap interfaces in it: root, the program ip, and /dev/net/tun.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NetworkNamespaceFactAttribute : FactAttribute
{
    public NetworkNamespaceFactAttribute()
    {
        if (Environment.UserName != "root") Skip = "Only root can make a network namespace.";
        else if (!File.Exists("/dev/net/tun")) Skip = "The host has no /dev/net/tun.";
        else if (!Works()) Skip = "This host lets nobody make a network namespace with a bridge.";
    }

    private static bool Works()
    {
        try
        {
            string space = $"hutch-probe-{Environment.ProcessId}";
            using Process add = Process.Start("ip", ["netns", "add", space]);
            add.WaitForExit();
            using Process bridge = Process.Start("ip", ["-n", space, "link", "add", "br0", "type", "bridge"]);
            bridge.WaitForExit();
            using Process delete = Process.Start("ip", ["netns", "del", space]);
            delete.WaitForExit();
            return add.ExitCode == 0 && bridge.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
