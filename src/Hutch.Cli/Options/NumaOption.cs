using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using Hutch.Host.Scheduling;
using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>Values of <c>--numa</c> that are about the guest's nodes; the others are about the host's.</summary>
internal static class NumaOption
{
    /// <summary>The forms, for help and messages.</summary>
    internal const string Form = "node,cpus=CPUS,memory=SIZE[,host=POLICY:NODES][,merge=on|off][,huge-pages=transparent|none]|dist,src=NODE,dst=NODE,val=N|hmat,initiator=NODE,target=NODE[,latency=NS][,bandwidth=MB]";

    /// <summary>Whether a value is about the guest's nodes.</summary>
    internal static bool IsOfGuest(string value) => OptionText.Split(value)[0] is "node" or "dist" or "hmat";

    /// <summary>Whether a text is a policy for memory of the host's nodes.</summary>
    internal static bool IsPolicy(string value)
    {
        string[] parts = value.Split(':');
        return parts.Length == 2 && parts[0] is ("bind" or "preferred" or "interleave") && CpuSet.Parse(parts[1]) is not null;
    }

    /// <summary>Reads them, nodes in their order; the VM process holds them against the machine. Throws <see cref="UserException"/>.</summary>
    internal static (ImmutableArray<NumaNode> Nodes, ImmutableArray<NumaDistance> Distances, ImmutableArray<NumaAccess> Accesses) Parse(IReadOnlyList<string> values)
    {
        ImmutableArray<NumaNode>.Builder nodes = ImmutableArray.CreateBuilder<NumaNode>();
        ImmutableArray<NumaDistance>.Builder distances = ImmutableArray.CreateBuilder<NumaDistance>();
        ImmutableArray<NumaAccess>.Builder accesses = ImmutableArray.CreateBuilder<NumaAccess>();
        foreach (string value in values)
        {
            List<string> parts = OptionText.Split(value);
            if (parts[0] == "node") nodes.Add(ReadNode(value, parts));
            else if (parts[0] == "dist") distances.Add(ReadDistance(value, parts));
            else accesses.Add(ReadAccess(value, parts));
        }
        return (nodes.ToImmutable(), distances.ToImmutable(), accesses.ToImmutable());
    }

    private static NumaNode ReadNode(string value, List<string> parts)
    {
        List<string> cpus = [];
        ulong? memory = null;
        string? host = null;
        bool? merge = null, huge = null;
        for (int i = 1; i < parts.Count; i++)
        {
            switch (OptionText.KeyValue(parts[i]))
            {
                case ("cpus", { } text) when CpuSet.Parse(text) is not null: cpus.Add(text); break;
                case ("memory", { } text) when memory is null && MemorySize.TryParse(text, out ulong bytes): memory = bytes; break;
                case ("host", { } text) when host is null && IsPolicy(text): host = text; break;
                case ("merge", "on" or "off") when merge is null: merge = parts[i] == "merge=on"; break;
                case ("huge-pages", "transparent" or "none") when huge is null: huge = parts[i] == "huge-pages=transparent"; break;
                default: throw OptionText.Bad("--numa", value, $"'{parts[i]}' is not understood; write node,cpus=0-1,memory=512M or with host=bind:0, merge=on or huge-pages=none behind; cpus= may be repeated.");
            }
        }
        if (memory is null) throw OptionText.Bad("--numa", value, "a node has memory; add memory=SIZE.");
        return new NumaNode(string.Join(',', cpus), memory.Value, host) { Mergeable = merge, TransparentHugePages = huge };
    }

    private static NumaDistance ReadDistance(string value, List<string> parts)
    {
        const string form = "write dist,src=0,dst=1,val=20.";
        Dictionary<string, int> given = ReadNumbers(value, parts, byte.MaxValue, ["src", "dst", "val"], form);
        if (given.Count != 3) throw OptionText.Bad("--numa", value, form);
        return new NumaDistance(given["src"], given["dst"], given["val"]);
    }

    private static NumaAccess ReadAccess(string value, List<string> parts)
    {
        const string form = "write hmat,initiator=0,target=1,latency=120,bandwidth=20000, in nanoseconds and megabytes a second; one of these two may be left out.";
        Dictionary<string, int> given = ReadNumbers(value, parts, NumaAccess.MostBandwidth, ["initiator", "target", "latency", "bandwidth"], form);
        int latency = given.GetValueOrDefault("latency"), bandwidth = given.GetValueOrDefault("bandwidth");
        if (!given.TryGetValue("initiator", out int initiator) || !given.TryGetValue("target", out int target) || (latency | bandwidth) == 0) throw OptionText.Bad("--numa", value, form);
        return new NumaAccess(initiator, target, latency, bandwidth);
    }

    private static Dictionary<string, int> ReadNumbers(string value, List<string> parts, uint most, ReadOnlySpan<string> keys, string form)
    {
        Dictionary<string, int> given = [];
        for (int i = 1; i < parts.Count; i++)
        {
            (string key, string? text) = OptionText.KeyValue(parts[i]);
            if (!keys.Contains(key) || !OptionText.TryNumber(text, most, out uint number) || !given.TryAdd(key, (int)number)) throw OptionText.Bad("--numa", value, form);
        }
        return given;
    }
}
