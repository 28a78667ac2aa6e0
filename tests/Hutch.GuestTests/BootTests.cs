using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Text.RegularExpressions;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

public sealed partial class BootTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public async Task The_stock_kernel_boots_cleanly_to_a_shell_and_powers_off(int vcpus)
    {
        await using Vm vm = await Vm.Boot("--cpus", $"{vcpus}");
        Assert.Equal($"{vcpus}", await vm.Shell("nproc"));
        string log = await vm.Shell("dmesg");
        Assert.Contains("hpet0: at MMIO 0xfed00000", log, StringComparison.Ordinal);
        Assert.DoesNotContain(log.Split('\n'), Complaint().IsMatch);
        Assert.Equal(0, await vm.PowerOff());
        Assert.StartsWith("hutch: Engine: ", Assert.Single(vm.Errors.TrimEnd().Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_topology_is_what_the_guest_sees()
    {
        await using Vm vm = await Vm.Boot("--cpus", "sockets=2,cores=2,threads=1", "--memory", "512M",
            "--numa", "node,cpus=0-1,memory=256M", "--numa", "node,cpus=2-3,memory=256M", "--numa", "dist,src=0,dst=1,val=30",
            "--numa", "hmat,initiator=0,target=0,latency=80,bandwidth=40000", "--numa", "hmat,initiator=1,target=1,latency=90,bandwidth=100000", "--numa", "hmat,initiator=0,target=1,latency=140,bandwidth=20000");
        Assert.Equal("4", await vm.Shell("nproc"));
        Assert.Equal("2", await vm.Shell("sort -u /sys/devices/system/cpu/cpu*/topology/physical_package_id | wc -l"));
        Assert.Equal("0-1\n2-3\n10 30\n30 10", await vm.Shell("cat /sys/devices/system/node/node?/cpulist /sys/devices/system/node/node?/distance"));
        // Of each node's memory what the node itself reaches it with.
        Assert.Equal("80\n90\n40000\n100000", await vm.Shell("cd /sys/devices/system/node; cat node0/access0/initiators/read_latency node1/access0/initiators/write_latency node?/access0/initiators/read_bandwidth; cd"));
        string[] kilobytes = (await vm.Shell("awk '/MemTotal/{print $4}' /sys/devices/system/node/node?/meminfo")).Split('\n');
        Assert.Equal(2, kilobytes.Length);
        Assert.All(kilobytes, static text => Assert.InRange(int.Parse(text, CultureInfo.InvariantCulture), 180 << 10, 256 << 10));
        Assert.Equal("", await vm.Shell("dmesg -r | grep '^<[0-4]>' || true"));
    }

    [Fact]
    public async Task Memory_is_what_was_asked_for()
    {
        await using Vm vm = await Vm.Boot("--memory", "1G");
        int kilobytes = int.Parse(await vm.Shell("awk '/MemTotal/{print $2}' /proc/meminfo"), CultureInfo.InvariantCulture);
        Assert.InRange(kilobytes, 900 << 10, 1 << 20);
    }

    [Fact]
    public async Task Words_for_the_command_line_reach_the_kernel()
    {
        await using Vm vm = await Vm.Boot("--append", "hutch.word=\"two words\"");
        Assert.Contains("hutch.word=\"two words\"", await vm.Shell("cat /proc/cmdline"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_features_absence_reaches_the_guest()
    {
        await using Vm vm = await Vm.Boot("--cpu", "max,-avx2");
        string flags = await vm.Shell("grep -m1 ^flags /proc/cpuinfo");
        Assert.DoesNotContain(" avx2 ", flags, StringComparison.Ordinal);
        Assert.Contains(" sse2 ", flags, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_script_that_is_there_before_the_guest_loses_nothing()
    {
        await using Vm vm = Vm.Start();
        vm.Send("echo sum $((20 + 22))\npoweroff\n");
        Assert.Equal(0, await vm.WaitForExit(120));
        Assert.Contains("sum 42\r\n", vm.Console, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cache_of_ones_own_is_filled_once_and_survives_a_kill()
    {
        using TemporaryFolder folder = new();
        Dictionary<string, string> environment = new() { ["XDG_CACHE_HOME"] = folder.File("cache") };
        using (Process killed = Launcher.Start(["run"], environment))
        {
            while (!Directory.Exists(folder.File("cache/hutch")) && !killed.HasExited) await Task.Delay(5);
            await Task.Delay(300);
            killed.Kill();
            await killed.WaitForExitAsync();
        }
        await using Vm vm = await Vm.Boot(environment);
        Assert.Single(Directory.GetDirectories(folder.File("cache/hutch")));
        Assert.Equal(0, await vm.PowerOff());
    }

    /// <summary>What a healthy kernel's log has no line of.</summary>
    [GeneratedRegex(@"WARNING|\bWARN\b|\bBUG\b|unstable|lockup|Hardware Error|\bMCE\b|Call Trace|Oops|stall|segfault|general protection")]
    private static partial Regex Complaint();
}
