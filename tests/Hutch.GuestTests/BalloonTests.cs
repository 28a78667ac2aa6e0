using System;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>Memory that a guest gives up is the host's.</summary>
public sealed class BalloonTests
{
    private const long MiB = 1 << 20;

    [Fact]
    public async Task A_guest_gives_memory_up_and_takes_it_back()
    {
        string name = $"balloon-{Environment.ProcessId}";
        await using Vm vm = await Vm.Boot("--name", name, "--memory", "256M", "--device", "virtio-balloon,free-page-reporting=off", "--net", "none");
        await vm.Shell("dd if=/dev/zero of=/tmp/file bs=1M count=96; rm /tmp/file");
        long before = await FreeKiB(vm), held = HeldMiB(vm);
        Assert.Equal((0, ""), await Set(name, "160M"));
        JsonElement balloon = await Balloon(name);
        Assert.Equal((96 * MiB, 96 * MiB), (balloon.GetProperty("targetBytes").GetInt64(), balloon.GetProperty("actualBytes").GetInt64()));
        Assert.InRange(before - await FreeKiB(vm), 80 << 10, 112 << 10);
        Assert.InRange(held - HeldMiB(vm), 60, 112);
        Assert.True(balloon.GetProperty("statistics").GetProperty("totalBytes").GetInt64() > 128 * MiB);
        Assert.Equal((0, ""), await Set(name, "256M"));
        Assert.Equal(0, (await Balloon(name)).GetProperty("actualBytes").GetInt64());
        await vm.Shell("dd if=/dev/zero of=/tmp/file bs=1M count=96; rm /tmp/file");
        Assert.Contains("The machine has 256 MiB", (await Set(name, "257M")).Errors, StringComparison.Ordinal);
        Assert.Contains("leave it 32 MiB", (await Set(name, "8M")).Errors, StringComparison.Ordinal);
        Assert.Equal(0, await vm.PowerOff());
    }

    [Fact]
    public async Task Pages_that_a_guest_frees_are_the_hosts_without_being_asked_for()
    {
        await using Vm vm = await Vm.Boot("--memory", "256M", "--device", "virtio-balloon", "--net", "none");
        await vm.Shell("dd if=/dev/zero of=/tmp/file bs=1M count=96");
        long held = HeldMiB(vm);
        await vm.Shell("rm /tmp/file");
        // Linux reports some seconds later, in pieces of 2 MiB and more.
        for (int i = 0; i < 100 && held - HeldMiB(vm) < 60; i++) await Task.Delay(200);
        Assert.InRange(held - HeldMiB(vm), 60, 130);
        Assert.Equal(0, await vm.PowerOff());
    }

    [Fact]
    public async Task A_machine_without_a_balloon_says_so()
    {
        string name = $"no-balloon-{Environment.ProcessId}";
        await using Vm vm = await Vm.Boot("--name", name, "--net", "none");
        (int status, string errors) = await Set(name, "100M");
        Assert.Equal(1, status);
        Assert.Contains("start it with --device virtio-balloon", errors, StringComparison.Ordinal);
        Assert.Equal(0, await vm.PowerOff());
    }

    private static async Task<(int Status, string Errors)> Set(string name, string memory)
    {
        (int status, _, string errors) = await Launcher.Run("set", name, "--memory", memory);
        return (status, errors);
    }

    private static async Task<JsonElement> Balloon(string name)
    {
        (_, string output, _) = await Launcher.Run("inspect", name, "--json");
        return JsonDocument.Parse(output).RootElement.GetProperty("balloon");
    }

    private static async Task<long> FreeKiB(Vm vm) => long.Parse((await vm.Shell("grep MemFree /proc/meminfo")).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], null);

    private static long HeldMiB(Vm vm) =>
        long.Parse(File.ReadAllLines($"/proc/{vm.ProcessId}/status").First(static line => line.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], null) >> 10;
}
