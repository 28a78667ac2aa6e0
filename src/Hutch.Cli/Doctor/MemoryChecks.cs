using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Host.Trials;

namespace Hutch.Cli.Doctor;

/// <summary>RAM that a guest could have, and the kinds of it.</summary>
internal static class MemoryChecks
{
    /// <summary>The least guest and what its process takes beside it, rounded up.</summary>
    internal const ulong LeastBytes = (16UL << 20) + OwnBytes;

    /// <summary>The guest of <c>hutch run</c> without --memory.</summary>
    internal const ulong DefaultBytes = (512UL << 20) + OwnBytes;

    private const ulong OwnBytes = 64UL << 20;
    private const string MemInfo = "/proc/meminfo", Thp = "/sys/kernel/mm/transparent_hugepage/enabled", Ksm = "/sys/kernel/mm/ksm/";

    internal static FindingGroup Examine(HostFiles files, IHostTrials trials) => new("Memory",
    [
        Free(files, trials), HugePages(files, trials, 2UL << 20, "hugepages-2m"), HugePages(files, trials, 1UL << 30, "hugepages-1g"),
        Transparent(files, trials), SamePage(files, trials), Numa(files, trials), Locked(files, trials),
    ]);

    private static Finding Free(HostFiles files, IHostTrials trials)
    {
        ulong available = files.KilobyteField(MemInfo, "MemAvailable") ?? 0;
        (ulong room, string reason, string mend) = (available, "are free", "end other programs, or add RAM");
        if (ControlGroups.MemoryRoom(files) is { } group && group < room)
            (room, reason, mend) = (group, "are left in this process's control group", "raise the group's memory limit (systemd: MemoryMax=, docker: --memory)");
        ulong space = trials.Limit(LimitedResource.AddressSpace).Soft;
        if (space < room) (room, reason, mend) = (space, "of address space are allowed", "ulimit -v unlimited");
        string text = $"{Amount.Of(room)} {reason}";
        if (room < LeastBytes) return new Finding("memory", Verdict.Missing, $"{text}: too little for the smallest guest, which takes {Amount.Of(LeastBytes)}", mend, Essential: true);
        return room < DefaultBytes
            ? Finding.Note("memory", $"{text}: less than the {Amount.Of(DefaultBytes)} of a guest without --memory", $"give guests less with --memory; or {mend}")
            : Finding.Ok("memory", text);
    }

    private static Finding HugePages(HostFiles files, IHostTrials trials, ulong pageBytes, string id)
    {
        string folder = $"/sys/kernel/mm/hugepages/hugepages-{pageBytes >> 10}kB/";
        string name = pageBytes >= 1UL << 30 ? "1 GiB" : "2 MiB";
        if (files.Number(folder + "nr_hugepages") is not { } all)
            return Finding.Missing(id, $"the kernel has no huge pages of {name}", pageBytes >= 1UL << 30 ? "take a CPU with pdpe1gb and a kernel with CONFIG_HUGETLBFS" : "take a kernel with CONFIG_HUGETLBFS");
        long free = Math.Max(0, (files.Number(folder + "free_hugepages") ?? 0) - (files.Number(folder + "resv_hugepages") ?? 0));
        string text = $"{all} pages of {name} are reserved, {free} of them are free";
        string mend = $"echo {(ulong)all + Math.Max(1, (512UL << 20) / pageBytes)} > {folder}nr_hugepages";
        if (free == 0) return Finding.Note(id, text, $"{mend} reserves {(pageBytes >= 1UL << 30 ? "1 GiB" : "512 MiB")} more");
        Trial taken = trials.HugePage(pageBytes);
        return taken.Works ? Finding.Ok(id, $"{text}; one was taken and written to") : Finding.Note(id, $"{text}, but one could not be taken: {taken.Reason}");
    }

    private static Finding Transparent(HostFiles files, IHostTrials trials)
    {
        string? mode = Chosen(files.Text(Thp));
        if (mode is null) return Finding.Note("thp", "the kernel has no transparent huge pages", "take a kernel with CONFIG_TRANSPARENT_HUGEPAGE");
        if (mode == "never") return Finding.Note("thp", "transparent huge pages are off (never)", $"echo madvise > {Thp}");
        return trials.TransparentHugePage().Works
            ? Finding.Ok("thp", $"transparent huge pages are on ({mode}), and one was given when asked for")
            : Finding.Note("thp", $"transparent huge pages are on ({mode}), but none was given when asked for: memory is in pieces", "echo 1 > /proc/sys/vm/compact_memory");
    }

    private static Finding SamePage(HostFiles files, IHostTrials trials)
    {
        Trial offered = trials.Mergeable();
        if (!offered.Works || files.Number(Ksm + "run") is not { } run) return Finding.Note("ksm", "the kernel does not merge same pages", "take a kernel with CONFIG_KSM");
        if (run != 1) return Finding.Note("ksm", "merging of same pages (KSM) is there but off", $"echo 1 > {Ksm}run, where many guests are alike");
        long sharing = files.Number(Ksm + "pages_sharing") ?? 0;
        return Finding.Ok("ksm", $"merging of same pages (KSM) is on and saves {Amount.Of((ulong)Math.Max(0, sharing) << 12)}");
    }

    private static Finding Numa(HostFiles files, IHostTrials trials)
    {
        List<string> nodes = [.. files.Names("/sys/devices/system/node").Where(name => name.StartsWith("node", StringComparison.Ordinal) && char.IsAsciiDigit(name[^1]))];
        if (!trials.MemoryPolicy().Works) return Finding.Note("numa", "the kernel has no memory policies", "take a kernel with CONFIG_NUMA");
        if (nodes.Count <= 1) return Finding.Ok("numa", "one NUMA node: nothing to bind");
        IEnumerable<string> free = nodes.Select(node => $"{node} {Amount.Of(FreeOf(files, node))}");
        return Finding.Ok("numa", $"{nodes.Count} NUMA nodes; free: {string.Join(", ", free)}");
    }

    private static ulong FreeOf(HostFiles files, string node) =>
        files.KilobyteField($"/sys/devices/system/node/{node}/meminfo", $"Node {node[4..]} MemFree") ?? 0;

    private static Finding Locked(HostFiles files, IHostTrials trials)
    {
        const int IpcLock = 14;
        if (Capabilities.Has(files, IpcLock)) return Finding.Ok("memlock", "this process may lock any amount of memory (CAP_IPC_LOCK)");
        ulong limit = trials.Limit(LimitedResource.LockedMemory).Soft;
        return limit >= DefaultBytes
            ? Finding.Ok("memlock", $"memory that may be locked: {Amount.OfLimit(limit)}")
            : Finding.Note("memlock", $"only {Amount.Of(limit)} may be locked, so no guest's memory can be", "raise memlock in /etc/security/limits.conf (systemd: LimitMEMLOCK=) above the guest's memory");
    }

    /// <summary>The word in brackets of a file that lists choices.</summary>
    private static string? Chosen(string? choices)
    {
        int start = choices?.IndexOf('[') ?? -1, end = choices?.IndexOf(']') ?? -1;
        return start >= 0 && end > start ? choices![(start + 1)..end] : null;
    }
}
