using System;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>vCPUs that come and go while a guest runs.</summary>
public sealed class VcpuPluggingTests : IDisposable
{
    private const string Online = "for c in /sys/devices/system/cpu/cpu[1-9]; do [ \"$(cat $c/online)\" = 1 ] || echo 1 >$c/online; done; cat /sys/devices/system/cpu/online";

    private readonly TemporaryFolder _folder = new();
    private readonly string _name = $"vcpus-{Environment.ProcessId}";

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Vcpus_are_plugged_in_and_pulled_out_under_load()
    {
        await using Vm vm = await Vm.Boot("--name", _name, "--cpus", "2,max=4", "--net", "none");
        Assert.Equal("0-1", await vm.Shell("cat /sys/devices/system/cpu/online"));
        Assert.Equal("0-3", await vm.Shell("cat /sys/devices/system/cpu/possible"));
        Assert.Equal((2, 4, 2), await Vcpus());
        // What is computed everywhere stays right.
        await vm.Shell("dmesg -c >/dev/null; dd if=/dev/urandom of=/tmp/data bs=64k count=16 2>/dev/null; md5sum </tmp/data >/tmp/sum");
        await vm.Shell("for i in 1 2 3; do { while [ ! -e /tmp/end ]; do md5sum </tmp/data | cmp -s /tmp/sum || echo wrong >>/tmp/wrong; done; } & done");
        for (int i = 0; i < HotplugCycles.Count; i++)
        {
            Assert.Equal((0, ""), await Set("4"));
            Assert.Equal("0-3", await vm.Shell(Online));
            Assert.Equal((4, 4, 4), await Vcpus());
            string seconds = await vm.Shell("grep ^cpu3 /proc/stat");
            await vm.Shell($"until [ \"$(grep ^cpu3 /proc/stat)\" != \"{seconds}\" ]; do usleep 20000; done");
            int down = 1 + (i % 3);
            Assert.Equal((0, ""), await Set($"{down}"));
            Assert.Equal(down == 1 ? "0" : $"0-{down - 1}", await vm.Shell("cat /sys/devices/system/cpu/online"));
            Assert.Equal((down, 4, down), await Vcpus());
        }
        await vm.Shell("touch /tmp/end; wait; [ ! -e /tmp/wrong ]");
        Assert.Equal("", await vm.Shell("dmesg -r | grep '^<[0-4]>' || true"));
        Assert.Equal(0, await vm.PowerOff());
    }

    [Fact]
    public async Task Plugged_vcpus_survive_a_reset_a_pause_and_a_restore()
    {
        string state = _folder.File("state");
        await using (Vm vm = await Vm.Boot("--name", _name, "--cpus", "1,max=4,cores=4", "--net", "none"))
        {
            Assert.Equal((0, ""), await Set("3"));
            await Launcher.Done("reset", _name);
            await vm.WaitFor(Vm.Greeting, seconds: 300);
            await vm.WaitFor("~ # ");
            // What was plugged in is there from the start now.
            Assert.Equal("0-2", await vm.Shell("cat /sys/devices/system/cpu/online"));
            await Launcher.Done("pause", _name);
            (int status, string errors) = await Set("2", "--timeout", "0");
            Assert.Equal(1, status);
            Assert.Contains("has not given up vCPU 2 within 0 s", errors, StringComparison.Ordinal);
            await Launcher.Done("resume", _name);
            await vm.Shell("while [ -e /sys/devices/system/cpu/cpu2/online ]; do usleep 20000; done");
            await Launcher.Done("save", _name, state);
            Assert.Equal(0, await vm.WaitForExit());
        }
        await using Vm back = Vm.Restore(state);
        back.Send("\n");
        await back.WaitFor("~ # ");
        Assert.Equal((2, 4, 2), await Vcpus());
        Assert.Equal("0-1", await back.Shell("cat /sys/devices/system/cpu/online"));
        Assert.Equal((0, ""), await Set("4"));
        Assert.Equal("0-3", await back.Shell(Online));
        Assert.Equal("", await back.Shell("dmesg -r | grep '^<[0-4]>' | grep -i 'tsc\\|unstable\\|BUG\\|WARN' || true"));
        Assert.Equal(0, await back.PowerOff());
    }

    [Fact]
    public async Task What_cannot_be_is_refused()
    {
        await using Vm vm = await Vm.Boot("--name", _name, "--cpus", "1,max=2", "--net", "none");
        Assert.Contains("can have 2 vCPUs at most", (await Set("3")).Errors, StringComparison.Ordinal);
        Assert.Contains("one vCPU at least", (await Set("0")).Errors, StringComparison.Ordinal);
        Assert.Equal((0, ""), await Set("1"));
        await Launcher.Done("pause", _name);
        Assert.Contains("has not taken vCPU 1 within 0 s", (await Set("2", "--timeout", "0")).Errors, StringComparison.Ordinal);
        // The guest has not seen it: it goes without it.
        Assert.Equal((0, ""), await Set("1", "--timeout", "0"));
        Assert.Equal((1, 2, 1), await Vcpus());
        await Launcher.Done("resume", _name);
        Assert.Equal("0", await vm.Shell("cat /sys/devices/system/cpu/online"));
        Assert.Equal("0", await vm.Shell("cat /sys/devices/system/cpu/present"));
        Assert.Equal(0, await vm.PowerOff());
    }

    private async Task<(int Status, string Errors)> Set(string count, params string[] more)
    {
        (int status, _, string errors) = await Launcher.Run(["set", _name, "--vcpus", count, .. more]);
        return (status, errors);
    }

    // How many it has, how many it can have, and how many threads they are.
    private async Task<(int Now, int Most, int Threads)> Vcpus()
    {
        JsonElement details = JsonDocument.Parse(await Launcher.Done("inspect", _name, "--json")).RootElement;
        return (details.GetProperty("vcpus").GetInt32(), details.GetProperty("mostVcpus").GetInt32(), details.GetProperty("vcpuThreads").EnumerateArray().Count());
    }
}
