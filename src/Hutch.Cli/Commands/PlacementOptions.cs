using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Globalization;
using System.Linq;
using Hutch.Cli.Options;
using Hutch.Host.Scheduling;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>The options about where a machine runs on its host: those of <c>hutch run</c>, and those of <c>hutch set</c> for a running one, cables and memory among them.</summary>
internal static class PlacementOptions
{
    /// <summary>The change of the guest's memory, in bytes that it is to have.</summary>
    internal const string MemoryChange = "memory";

    /// <summary>The change of the number of vCPUs.</summary>
    internal const string VcpuCountChange = "vcpus";

    private static readonly Option<string[]> VcpuPin = new("--vcpu-pin")
    {
        HelpName = "VCPU=CPUS", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = false,
        Description = "Host CPUs of one vCPU, for example 0=3 or 1=4-7; may be repeated.",
    };

    private static readonly Option<string?> EmulatorPin = Text("--emulator-pin", "CPUS", "Host CPUs of all threads that are no vCPUs.");
    private static readonly Option<string?> Pin = Text("--pin", "auto|none", "auto: a host CPU for each vCPU, what is left for the other threads.");
    private static readonly Option<string?> Sched = Text("--sched", "other|batch|idle|fifo:N|rr:N", "How the host schedules the vCPUs.");
    private static readonly Option<string?> Cgroup = Text("--cgroup", "PATH", "Control group (version 2) of the machine; made when it is not there.");
    private static readonly Option<string?> Ksm = Text("--ksm", "on|off", "Let the host merge guest RAM with equal pages of others.");
    private static readonly Option<string?> HugePages = Text("--huge-pages", "2M|1G|transparent", "Make guest RAM of huge pages.");
    private static readonly Option<string?> SetHugePages = Text("--huge-pages", "transparent|none", "Let the host make huge pages of guest RAM, or no more of them.");
    private static readonly Option<string[]> Numa = new("--numa")
    {
        HelpName = $"bind:NODES|preferred:NODE|interleave:NODES|{NumaOption.Form}", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = false,
        Description = "NUMA nodes of the host that guest RAM comes from; or a node of the guest, or how far two of these are apart; may be repeated.",
    };

    private static readonly Option<string?> SetNuma = Text("--numa", "bind:NODES|preferred:NODE|interleave:NODES", "NUMA nodes of the host that guest RAM comes from.");
    private static readonly Option<string[]> Link = new("--link")
    {
        HelpName = "CARD=up|down", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = false,
        Description = "Plug the cable of a network card in, or pull it; may be repeated.",
    };

    private static readonly Option<string?> Memory = Text("--memory", "SIZE", "What the guest is to have of memory: its balloon gives what is less to the host, what is more is plugged in, up to the max of --memory.");

    private static readonly Option<int?> Vcpus = new("--vcpus") { HelpName = "N", Description = "How many vCPUs the guest is to have, up to the max of --cpus." };

    private static readonly Option<bool> Prealloc = new("--prealloc") { Description = "Take all of guest RAM before the guest starts." };
    private static readonly Option<bool> MemoryLock = new("--memory-lock") { Description = "Keep guest RAM in the host's RAM." };
    private static readonly Option<string?> SetMemoryLock = Text("--memory-lock", "on|off", "Keep guest RAM in the host's RAM, or let it be swapped.");

    /// <summary>The options of <c>hutch run</c>.</summary>
    internal static IEnumerable<Option> OfRun => [VcpuPin, EmulatorPin, Pin, Sched, Cgroup, Ksm, HugePages, Numa, Prealloc, MemoryLock];

    /// <summary>The options of <c>hutch set</c>.</summary>
    internal static IEnumerable<Option> OfSet => [VcpuPin, EmulatorPin, Pin, Sched, Cgroup, Ksm, SetMemoryLock, SetNuma, SetHugePages, Link, Memory, Vcpus];

    /// <summary>What was asked of a machine that starts. Throws <see cref="UserException"/>.</summary>
    internal static Placement Read(ParseResult result)
    {
        string? huge = Checked(result, HugePages, value => value is "2M" or "1G" or "transparent");
        return new Placement
        {
            VcpuPins = [.. (result.GetValue(VcpuPin) ?? []).Select(ReadPin)],
            PinAuto = Checked(result, Pin, value => value is "auto" or "none") == "auto",
            EmulatorCpus = Checked(result, EmulatorPin, value => CpuSet.Parse(value) is not null),
            Scheduler = Checked(result, Sched, value => SchedulerClass.Parse(value) is not null),
            ControlGroup = result.GetValue(Cgroup),
            HugePageBytes = huge switch { "2M" => 2UL << 20, "1G" => 1UL << 30, _ => 0 },
            TransparentHugePages = huge == "transparent",
            Mergeable = Checked(result, Ksm, IsSwitch) == "on",
            Numa = ReadPolicy(result),
            Prealloc = result.GetValue(Prealloc),
            Locked = result.GetValue(MemoryLock),
        };
    }

    /// <summary>What was asked of the guest's nodes, to be read by <see cref="NumaOption"/>.</summary>
    internal static IReadOnlyList<string> ReadGuestNuma(ParseResult result) => [.. (result.GetValue(Numa) ?? []).Where(NumaOption.IsOfGuest)];

    /// <summary>What is to change of a running machine, as the options of its verb. Throws <see cref="UserException"/>.</summary>
    internal static Dictionary<string, string> ReadChanges(ParseResult result)
    {
        Dictionary<string, string> changes = [];
        string[] pins = result.GetValue(VcpuPin) ?? [];
        foreach (string pin in pins) _ = ReadPin(pin);
        if (pins.Length > 0) changes["vcpu-pin"] = string.Join(';', pins);
        void Add(Option<string?> option, Func<string, bool> isRight)
        {
            if (Checked(result, option, isRight) is { } value) changes[option.Name[2..]] = value;
        }
        Add(EmulatorPin, value => CpuSet.Parse(value) is not null);
        Add(Pin, value => value is "auto" or "none");
        Add(Sched, value => SchedulerClass.Parse(value) is not null);
        Add(Ksm, IsSwitch);
        Add(SetMemoryLock, IsSwitch);
        Add(SetNuma, NumaOption.IsPolicy);
        Add(SetHugePages, value => value is "transparent" or "none");
        if (result.GetValue(Memory) is { } memory) changes[MemoryChange] = MemorySize.Parse(memory).ToString(CultureInfo.InvariantCulture);
        if (result.GetValue(Vcpus) is { } count) changes[VcpuCountChange] = Math.Max(0, count).ToString(CultureInfo.InvariantCulture);
        if (result.GetValue(Cgroup) is { } group) changes["cgroup"] = group;
        foreach (string link in result.GetValue(Link) ?? [])
        {
            if (link.Split('=') is not [{ Length: > 0 }, "up" or "down"]) throw OptionText.Bad("--link", link, "write CARD=up or CARD=down, for example nic0=down.");
            changes["link"] = changes.TryGetValue("link", out string? others) ? $"{others};{link}" : link;
        }
        return changes;
    }

    private static VcpuPin ReadPin(string text)
    {
        string[] parts = text.Split('=');
        return parts.Length == 2 && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int vcpu) && CpuSet.Parse(parts[1]) is not null
            ? new VcpuPin(vcpu, parts[1])
            : throw OptionText.Bad("--vcpu-pin", text, "write VCPU=CPUS, for example 0=3 or 1=4-7.");
    }

    private static string? Checked(ParseResult result, Option<string?> option, Func<string, bool> isRight)
    {
        string? value = result.GetValue(option);
        return value is null || isRight(value) ? value : throw OptionText.Bad(option.Name, value, $"write {option.HelpName}.");
    }

    private static bool IsSwitch(string value) => value is "on" or "off";

    private static string? ReadPolicy(ParseResult result)
    {
        string[] policies = [.. (result.GetValue(Numa) ?? []).Where(static value => !NumaOption.IsOfGuest(value))];
        foreach (string policy in policies)
            if (!NumaOption.IsPolicy(policy) || policy != policies[0]) throw OptionText.Bad("--numa", policy, $"write one of {Numa.HelpName}, and one policy alone.");
        return policies.FirstOrDefault();
    }

    private static Option<string?> Text(string name, string value, string description) => new(name) { HelpName = value, Description = description };
}
