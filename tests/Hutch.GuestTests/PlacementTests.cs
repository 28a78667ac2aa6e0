using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>Where a machine runs and where its memory lies, as /proc says it.</summary>
public sealed class PlacementTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Threads_run_where_they_were_pinned_and_move_when_told()
    {
        await using PlacedVm vm = await PlacedVm.Start(_folder, "--cpus", "2", "--vcpu-pin", "0=0", "--emulator-pin", "0");
        Assert.Equal("0", vm.AllowedCpus(vm.Thread("vcpu0")));
        Assert.Equal(PlacedVm.OwnCpus, vm.AllowedCpus(vm.Thread("vcpu1")));
        Assert.Equal("0", vm.AllowedCpus(vm.ProcessId));
        string last = PlacedVm.OwnCpus.Split('-', ',')[^1];
        Assert.Equal((0, ""), await vm.Set("--vcpu-pin", $"0={last}", "--vcpu-pin", "1=0"));
        Assert.Equal(last, vm.AllowedCpus(vm.Thread("vcpu0")));
        Assert.Equal("0", vm.AllowedCpus(vm.Thread("vcpu1")));
        Assert.Equal((0, ""), await vm.Set("--pin", "none"));
        Assert.All(["vcpu0", "vcpu1"], name => Assert.Equal(PlacedVm.OwnCpus, vm.AllowedCpus(vm.Thread(name))));
        Assert.Equal(PlacedVm.OwnCpus, vm.AllowedCpus(vm.ProcessId));
    }

    [Fact]
    public async Task Pin_auto_gives_each_vcpu_a_cpu_of_its_own()
    {
        await using PlacedVm vm = await PlacedVm.Start(_folder, "--cpus", Math.Min(2, Environment.ProcessorCount).ToString(CultureInfo.InvariantCulture), "--pin", "auto");
        List<string> cpus = [.. vm.Threads.Where(thread => thread.Name.StartsWith("vcpu", StringComparison.Ordinal)).Select(thread => vm.AllowedCpus(thread.Id))];
        Assert.All(cpus, list => Assert.True(int.TryParse(list, out _), list));
        Assert.Equal(cpus.Count, cpus.Distinct().Count());
    }

    [Fact]
    public async Task Inspect_says_what_proc_says()
    {
        await using PlacedVm vm = await PlacedVm.Start(_folder, "--sched", "batch", "--vcpu-pin", "0=0");
        JsonElement json = await vm.Inspect();
        JsonElement vcpu = Assert.Single(json.GetProperty("vcpuThreads").EnumerateArray());
        Assert.Equal(vm.Thread("vcpu0"), vcpu.GetProperty("thread").GetInt32());
        Assert.Equal("0", vcpu.GetProperty("cpus").GetString());
        Assert.Equal("batch", vcpu.GetProperty("scheduler").GetString());
        Assert.Equal(3, vm.SchedulerPolicy("vcpu0"));
        Assert.Equal(vm.ProcessId, json.GetProperty("pid").GetInt32());
        // The guest's loop uses CPU time, and the figure follows it.
        double first = vcpu.GetProperty("cpuSeconds").GetDouble(), later;
        do later = (await vm.Inspect()).GetProperty("vcpuThreads")[0].GetProperty("cpuSeconds").GetDouble();
        while (later <= first);
        Assert.Equal((0, ""), await vm.Set("--sched", "idle"));
        Assert.Equal(5, vm.SchedulerPolicy("vcpu0"));
    }

    [Fact]
    public async Task Memory_that_is_taken_at_once_is_resident()
    {
        await using PlacedVm vm = await PlacedVm.Start(_folder, "--memory", "40M", "--prealloc");
        Assert.Equal(40 << 10, vm.RamField("Rss"));
    }

    [RootFact]
    public async Task Locked_memory_is_locked_and_let_go()
    {
        await using PlacedVm vm = await PlacedVm.Start(_folder, "--memory", "40M", "--memory-lock");
        Assert.Equal(40 << 10, vm.RamField("Locked"));
        Assert.True((await vm.Inspect()).GetProperty("locked").GetBoolean());
        Assert.Equal((0, ""), await vm.Set("--memory-lock", "off"));
        Assert.Equal(0, vm.RamField("Locked"));
    }

    [Fact]
    public async Task Memory_is_offered_for_merging_and_taken_back()
    {
        await using PlacedVm vm = await PlacedVm.Start(_folder, "--memory", "40M", "--ksm", "on");
        Assert.Contains("mg", vm.RamFlags);
        Assert.Equal((0, ""), await vm.Set("--ksm", "off"));
        Assert.DoesNotContain("mg", vm.RamFlags);
        Assert.False((await vm.Inspect()).GetProperty("mergeable").GetBoolean());
    }

    [RootFact]
    public async Task Equal_pages_are_merged_when_the_host_merges()
    {
        const string Switch = "/sys/kernel/mm/ksm/run";
        string before = await File.ReadAllTextAsync(Switch);
        try
        {
            await using PlacedVm vm = await PlacedVm.Start(_folder, "--memory", "32M", "--ksm", "on", "--prealloc");
            Assert.Equal(0, (await Launcher.Run("host", "ksm", "on")).Status);
            Assert.Equal("1", (await File.ReadAllTextAsync(Switch)).Trim());
            while ((await vm.Inspect()).GetProperty("mergedBytes").GetUInt64() == 0) await Task.Delay(200);
            using JsonDocument status = JsonDocument.Parse((await Launcher.Run("host", "ksm", "status", "--json")).Output);
            Assert.True(status.RootElement.GetProperty("savedBytes").GetUInt64() > 0);
            Assert.Contains("is off", (await Launcher.Run("host", "ksm", "off")).Output, StringComparison.Ordinal);
            Assert.Equal("2", (await File.ReadAllTextAsync(Switch)).Trim());
        }
        finally
        {
            await File.WriteAllTextAsync(Switch, before);
        }
    }

    [HugePageTheory]
    [InlineData("2M", 2048, "32M", 16)]
    [InlineData("1G", 1048576, "1G", 1)]
    public async Task Memory_of_huge_pages_comes_from_the_pool(string size, int kilobytes, string memory, int pages)
    {
        string pool = $"/sys/kernel/mm/hugepages/hugepages-{kilobytes}kB";
        long Pages(string name) => long.Parse(File.ReadAllText($"{pool}/{name}"), CultureInfo.InvariantCulture);
        long before = Pages("nr_hugepages");
        try
        {
            await File.WriteAllTextAsync($"{pool}/nr_hugepages", (before + pages).ToString(CultureInfo.InvariantCulture));
            long free = Pages("free_hugepages");
            Assert.True(free >= pages, $"The kernel could not put {pages} pages of {size} together.");
            await using (PlacedVm vm = await PlacedVm.Start(_folder, "--memory", memory, "--huge-pages", size, "--prealloc"))
            {
                Assert.Equal(free - pages, Pages("free_hugepages"));
                Assert.Equal(kilobytes, vm.RamField("KernelPageSize"));
                Assert.Equal(pages * (long)kilobytes, vm.HugetlbKilobytes);
                // The process may have another mapping of 1 GiB.
                if (kilobytes == 2048)
                {
                    Assert.Matches($"HugePages_Free: +{free - pages}\n", await File.ReadAllTextAsync("/proc/meminfo"));
                    await using PlacedVm moved = await vm.Move(_folder.File("state"));
                    Assert.Equal(pages * (long)kilobytes, moved.HugetlbKilobytes);
                }
            }
            Assert.Equal(free, Pages("free_hugepages"));
        }
        finally
        {
            await File.WriteAllTextAsync($"{pool}/nr_hugepages", before.ToString(CultureInfo.InvariantCulture));
        }
    }

    [RootFact]
    public async Task A_restored_machines_memory_is_kept_as_it_was_asked_for()
    {
        await using PlacedVm vm = await PlacedVm.Start(_folder, "--memory", "40M", "--prealloc", "--memory-lock", "--numa", "bind:0"), moved = await vm.Move(_folder.File("state"));
        Assert.Equal((40 << 10, 40 << 10), (moved.RamField("Rss"), moved.RamField("Locked")));
        Assert.Contains(" bind:0 ", NodesOf(moved), StringComparison.Ordinal);
        await using PlacedVm mergeable = await PlacedVm.Start(_folder, "--memory", "40M", "--ksm", "on"), again = await mergeable.Move(_folder.File("other"));
        Assert.Contains("mg", again.RamFlags);
    }

    [Fact]
    public async Task Memory_is_bound_to_its_node()
    {
        await using PlacedVm vm = await PlacedVm.Start(_folder, "--memory", "40M", "--numa", "bind:0", "--prealloc");
        string line = NodesOf(vm);
        Assert.Contains(" bind:0 ", line, StringComparison.Ordinal);
        Assert.Contains($" N0={40 << 8} ", line + " ", StringComparison.Ordinal);
        Assert.Equal((0, ""), await vm.Set("--numa", "interleave:0"));
        Assert.Contains(" interleave:0 ", NodesOf(vm), StringComparison.Ordinal);
        (int status, string errors) = await vm.Set("--numa", "bind:900");
        Assert.Equal(1, status);
        Assert.Contains("cannot come from NUMA nodes 900", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_guests_nodes_have_memory_of_the_hosts_nodes()
    {
        await using PlacedVm vm = await PlacedVm.Start(_folder, "--memory", "40M", "--numa", "node,cpus=0,memory=24M", "--numa", "node,memory=16M,host=bind:0,merge=on,huge-pages=none");
        string[] bound = Assert.Single(await File.ReadAllLinesAsync($"/proc/{vm.ProcessId}/numa_maps"), static line => $"{line} ".Contains(" bind:0 ", StringComparison.Ordinal)).Split(' ');
        ulong start = Convert.ToUInt64(bound[0], 16);
        // The kernel keeps apart what it treats differently.
        string[] maps = await File.ReadAllLinesAsync($"/proc/{vm.ProcessId}/maps");
        Assert.Contains(maps, line => line.StartsWith($"{start:x}-{start + (16 << 20):x} ", StringComparison.Ordinal));
        Assert.Contains(maps, line => line.StartsWith($"{start - (24 << 20):x}-{start:x} ", StringComparison.Ordinal));
        string[] details = await File.ReadAllLinesAsync($"/proc/{vm.ProcessId}/smaps");
        Assert.Equal(["mg", "nh"], FlagsAt(start).Intersect(["mg", "nh"]).Order());
        Assert.Empty(FlagsAt(start - (24 << 20)).Intersect(["mg", "nh"]));

        string[] FlagsAt(ulong address) => details.SkipWhile(line => !line.StartsWith($"{address:x}-", StringComparison.Ordinal)).First(static line => line.StartsWith("VmFlags:", StringComparison.Ordinal)).Split(' ');
    }

    [Fact]
    public async Task Memory_becomes_huge_pages_when_told()
    {
        await using PlacedVm vm = await PlacedVm.Start(_folder, "--memory", "40M");
        Assert.Equal((0, ""), await vm.Set("--huge-pages", "transparent"));
        Assert.Contains("hg", vm.RamFlags);
        Assert.Equal((0, ""), await vm.Set("--huge-pages", "none"));
        Assert.Contains("nh", vm.RamFlags);
    }

    private static string NodesOf(PlacedVm vm)
    {
        string address = vm.RamLines[0].Split('-')[0];
        return File.ReadLines($"/proc/{vm.ProcessId}/numa_maps").Single(line => line.StartsWith(address + " ", StringComparison.Ordinal));
    }

    [UnifiedGroupFact]
    public async Task The_process_is_in_its_control_group()
    {
        string group = $"hutch-test-{Environment.ProcessId}", other = group + "-other";
        await using (PlacedVm vm = await PlacedVm.Start(_folder, "--cgroup", group))
        {
            Assert.Contains($"0::/{group}\n", await File.ReadAllTextAsync($"/proc/{vm.ProcessId}/cgroup"), StringComparison.Ordinal);
            Assert.Equal((0, ""), await vm.Set("--cgroup", other));
            Assert.Equal($"/{other}", (await vm.Inspect()).GetProperty("controlGroup").GetString());
        }
        Directory.Delete($"{UnifiedGroupFactAttribute.Folder}/{group}");
        Directory.Delete($"{UnifiedGroupFactAttribute.Folder}/{other}");
    }

    [Theory]
    [InlineData(1, "There is no vCPU 5", "--vcpu-pin", "5=0")]
    [InlineData(1, "cannot run on host CPUs 4000", "--vcpu-pin", "0=4000")]
    [InlineData(1, "The machine's 64 vCPUs cannot each have a host CPU", "--cpus", "64", "--pin", "auto")]
    [InlineData(1, "cannot come from NUMA nodes 900", "--numa", "bind:900")]
    [InlineData(1, "cannot come from NUMA nodes 900", "--memory", "40M", "--numa", "node,cpus=0,memory=40M,host=bind:900")]
    [InlineData(1, "vCPU 0 is in no NUMA node", "--memory", "40M", "--numa", "node,memory=40M")]
    [InlineData(2, "--numa 'bind:1'", "--numa", "bind:0", "--numa", "bind:1")]
    [InlineData(1, "no multiple of a huge page", "--memory", "33M", "--huge-pages", "2M")]
    [InlineData(1, "nr_hugepages", "--memory", "2G", "--huge-pages", "1G")]
    [InlineData(1, "is not in the hierarchy", "--cgroup", "/nonexistent/group")]
    [InlineData(2, "--vcpu-pin '0:1'", "--vcpu-pin", "0:1")]
    [InlineData(2, "--sched 'fifo:100'", "--sched", "fifo:100")]
    [InlineData(2, "--numa 'node0'", "--numa", "node0")]
    [InlineData(2, "--huge-pages '4K'", "--huge-pages", "4K")]
    public async Task What_the_host_cannot_give_is_one_sentence(int status, string part, params string[] arguments)
    {
        (int actual, _, string errors) = await Launcher.Run(["run", "--engine", "software", "--kernel", Multiboot.Write(_folder, [0xf4]), .. arguments]);
        string sentence = Assert.Single(errors.TrimEnd('\n').Split('\n'));
        Assert.Contains(part, sentence, StringComparison.Ordinal);
        Assert.Equal(status, actual);
    }

    [Fact]
    public async Task A_running_machine_refuses_what_cannot_be_and_stays_as_it_is()
    {
        await using PlacedVm vm = await PlacedVm.Start(_folder);
        (int status, string errors) = await vm.Set("--vcpu-pin", "0=4000");
        Assert.Equal(1, status);
        Assert.Contains("cannot run on host CPUs 4000", errors, StringComparison.Ordinal);
        Assert.Equal(PlacedVm.OwnCpus, vm.AllowedCpus(vm.Thread("vcpu0")));
        Assert.Equal(2, (await vm.Set()).Status);
    }
}
