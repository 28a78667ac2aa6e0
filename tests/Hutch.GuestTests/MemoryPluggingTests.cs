using System;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>Memory that comes and goes while a guest runs.</summary>
public sealed class MemoryPluggingTests : IDisposable
{
    private const long MiB = 1 << 20;

    private readonly TemporaryFolder _folder = new();
    private readonly string _name = $"memory-{Environment.ProcessId}";

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Memory_is_plugged_in_and_given_back_under_load()
    {
        await using Vm vm = await Vm.Boot("--name", _name, "--memory", "512M,max=1G", "--net", "none");
        await vm.Shell("mount -o remount,size=900m /tmp; dmesg -c >/dev/null; dd if=/dev/urandom of=/tmp/data bs=1M count=16 2>/dev/null; md5sum </tmp/data >/tmp/sum");
        // What lies in memory stays right wherever the kernel moves it.
        await vm.Shell("{ while [ ! -e /tmp/end ]; do cp /tmp/data /tmp/copy; md5sum </tmp/copy | cmp -s /tmp/sum || echo wrong >>/tmp/wrong; done & }");
        for (int i = 0; i < HotplugCycles.Count; i++)
        {
            long before = await TotalKiB(vm);
            Assert.Equal((0, ""), await Set("1G"));
            Assert.Equal((512 * MiB, 512 * MiB, 512 * MiB), await Plugged());
            Assert.InRange(await TotalKiB(vm) - before, 500 << 10, 524 << 10);
            await vm.Shell("for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do cat /tmp/data; done >/tmp/much; rm /tmp/much", seconds: 200);
            long held = HeldMiB(vm);
            Assert.Equal((0, ""), await Set("512M"));
            Assert.Equal((0, 0, 512 * MiB), await Plugged());
            Assert.Equal(before, await TotalKiB(vm));
            // What was filled is the host's again.
            Assert.InRange(held - HeldMiB(vm), 128, 600);
        }
        await vm.Shell("touch /tmp/end; wait; [ ! -e /tmp/wrong ]");
        Assert.Equal("", await vm.Shell("dmesg -r | grep '^<[0-4]>' || true"));
        Assert.Equal(0, await vm.PowerOff());
    }

    [Fact]
    public async Task Plugged_memory_survives_a_reset_and_a_restore()
    {
        string state = _folder.File("state");
        await using (Vm vm = await Vm.Boot("--name", _name, "--memory", "384M,max=1G", "--net", "none"))
        {
            Assert.Equal((0, ""), await Set("640M"));
            long total = await TotalKiB(vm);
            await Launcher.Done("reset", _name);
            await vm.WaitFor(Vm.Greeting, seconds: 300);
            await vm.WaitFor("~ # ");
            // It is still wanted, and plugged in anew.
            await vm.Shell($"until [ $(awk '/MemTotal/ {{ print $2 }}' /proc/meminfo) = {total} ]; do usleep 20000; done");
            Assert.Equal((256 * MiB, 256 * MiB, 640 * MiB), await Plugged());
            await vm.Shell("mount -o remount,size=500m /tmp; dd if=/dev/urandom of=/tmp/data bs=1M count=16 2>/dev/null; for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do cat /tmp/data; done >/tmp/much; md5sum </tmp/much >/tmp/sum", seconds: 200);
            await Launcher.Done("save", _name, state);
            Assert.Equal(0, await vm.WaitForExit());
        }
        // It is as long as all that could be plugged in, and has no more than what is there.
        Assert.True(AllocatedMiB(state) < 640);
        await using Vm back = Vm.Restore(state);
        back.Send("\n");
        await back.WaitFor("~ # ");
        Assert.Equal((256 * MiB, 256 * MiB, 640 * MiB), await Plugged());
        await back.Shell("md5sum </tmp/much | cmp - /tmp/sum", seconds: 200);
        Assert.Equal((0, ""), await Set("1G"));
        await back.Shell("md5sum </tmp/much | cmp - /tmp/sum; rm /tmp/much", seconds: 200);
        Assert.Equal((0, ""), await Set("384M"));
        Assert.Equal((0, 0, 640 * MiB), await Plugged());
        Assert.Equal("", await back.Shell("dmesg -r | grep '^<[0-3]>' || true"));
        Assert.Equal(0, await back.PowerOff());
    }

    [Fact]
    public async Task Below_what_it_started_with_the_balloon_takes_over()
    {
        await using Vm vm = await Vm.Boot("--name", _name, "--memory", "512M,max=1G", "--device", "virtio-balloon", "--net", "none");
        Assert.Equal((0, ""), await Set("1G"));
        Assert.Equal((0, ""), await Set("320M"));
        Assert.Equal((0, 0, 512 * MiB), await Plugged());
        Assert.Equal(192 * MiB, (await Inspect()).GetProperty("balloon").GetProperty("actualBytes").GetInt64());
        Assert.Equal((0, ""), await Set("640M"));
        Assert.Equal((128 * MiB, 128 * MiB, 512 * MiB), await Plugged());
        Assert.Equal(0, (await Inspect()).GetProperty("balloon").GetProperty("actualBytes").GetInt64());
        Assert.Equal(640 * MiB, (await Inspect()).GetProperty("memory").GetInt64());
        Assert.Equal("", await vm.Shell("dmesg -r | grep '^<[0-3]>' || true"));
        Assert.Equal(0, await vm.PowerOff());
    }

    [Fact]
    public async Task What_cannot_be_says_what_is_missing()
    {
        await using Vm vm = await Vm.Boot("--name", _name, "--memory", "256M,max=512M", "--net", "none");
        Assert.Contains("it cannot have 513 MiB", (await Set("513M")).Errors, StringComparison.Ordinal);
        Assert.Contains("start it with --device virtio-balloon", (await Set("128M")).Errors, StringComparison.Ordinal);
        Assert.Contains("cannot be locked", (await Launcher.Run("set", _name, "--memory-lock", "on")).Errors, StringComparison.Ordinal);
        await Launcher.Done("pause", _name);
        (int status, string errors) = await Set("384M");
        Assert.Equal(1, status);
        Assert.Contains("has plugged in 0 of 128 MiB", errors, StringComparison.Ordinal);
        await Launcher.Done("resume", _name);
        // It is asked still.
        await vm.Shell("until [ $(cat /sys/devices/system/memory/memory32/state) = online ]; do usleep 20000; done");
        Assert.Equal(0, await vm.PowerOff());
    }

    private async Task<(int Status, string Errors)> Set(string memory)
    {
        (int status, _, string errors) = await Launcher.Run("set", _name, "--memory", memory);
        return (status, errors);
    }

    private async Task<(long Requested, long Plugged, long Most)> Plugged()
    {
        JsonElement pluggable = (await Inspect()).GetProperty("pluggable");
        return (pluggable.GetProperty("requestedBytes").GetInt64(), pluggable.GetProperty("pluggedBytes").GetInt64(), pluggable.GetProperty("mostBytes").GetInt64());
    }

    private async Task<JsonElement> Inspect() => JsonDocument.Parse(await Launcher.Done("inspect", _name, "--json")).RootElement;

    private static async Task<long> TotalKiB(Vm vm) => long.Parse((await vm.Shell("grep MemTotal /proc/meminfo")).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], null);

    private static long HeldMiB(Vm vm) =>
        long.Parse(File.ReadAllLines($"/proc/{vm.ProcessId}/status").First(static line => line.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], null) >> 10;

    private static long AllocatedMiB(string file)
    {
        using System.Diagnostics.Process du = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("du", ["-m", file]) { RedirectStandardOutput = true })!;
        return long.Parse(du.StandardOutput.ReadToEnd().Split('\t')[0], null);
    }
}
