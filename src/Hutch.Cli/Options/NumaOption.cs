using System.Collections.Generic;
using System.Collections.Immutable;
using Hutch.Host.Scheduling;
using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>Values of <c>--numa</c> that are about the guest's nodes; the others are about the host's.</summary>
internal static class NumaOption
{
    /// <summary>The forms, for help and messages.</summary>
    internal const string Form = "node,cpus=CPUS,memory=SIZE[,host=POLICY:NODES]|dist,src=NODE,dst=NODE,val=N";

    /// <summary>Whether a value is about the guest's nodes.</summary>
    internal static bool IsOfGuest(string value) => OptionText.Split(value)[0] is "node" or "dist";

    /// <summary>Whether a text is a policy for memory of the host's nodes.</summary>
    internal static bool IsPolicy(string value)
    {
        string[] parts = value.Split(':');
        return parts.Length == 2 && parts[0] is ("bind" or "preferred" or "interleave") && CpuSet.Parse(parts[1]) is not null;
    }

    /// <summary>Reads them, nodes in their order; the VM process holds them against the machine. Throws <see cref="UserException"/>.</summary>
    internal static (ImmutableArray<NumaNode> Nodes, ImmutableArray<NumaDistance> Distances) Parse(IReadOnlyList<string> values)
    {
        ImmutableArray<NumaNode>.Builder nodes = ImmutableArray.CreateBuilder<NumaNode>();
        ImmutableArray<NumaDistance>.Builder distances = ImmutableArray.CreateBuilder<NumaDistance>();
        foreach (string value in values)
        {
            List<string> parts = OptionText.Split(value);
            if (parts[0] == "node") nodes.Add(ReadNode(value, parts));
            else distances.Add(ReadDistance(value, parts));
        }
        return (nodes.ToImmutable(), distances.ToImmutable());
    }

    private static NumaNode ReadNode(string value, List<string> parts)
    {
        List<string> cpus = [];
        ulong? memory = null;
        string? host = null;
        for (int i = 1; i < parts.Count; i++)
        {
            switch (OptionText.KeyValue(parts[i]))
            {
                case ("cpus", { } text) when CpuSet.Parse(text) is not null: cpus.Add(text); break;
                case ("memory", { } text) when memory is null && MemorySize.TryParse(text, out ulong bytes): memory = bytes; break;
                case ("host", { } text) when host is null && IsPolicy(text): host = text; break;
                default: throw OptionText.Bad("--numa", value, $"'{parts[i]}' is not understood; write node,cpus=0-1,memory=512M or with host=bind:0 behind; cpus= may be repeated.");
            }
        }
        if (memory is null) throw OptionText.Bad("--numa", value, "a node has memory; add memory=SIZE.");
        return new NumaNode(string.Join(',', cpus), memory.Value, host);
    }

    private static NumaDistance ReadDistance(string value, List<string> parts)
    {
        Dictionary<string, int> given = [];
        for (int i = 1; i < parts.Count; i++)
        {
            (string key, string? text) = OptionText.KeyValue(parts[i]);
            if (key is not ("src" or "dst" or "val") || !OptionText.TryNumber(text, byte.MaxValue, out uint number) || !given.TryAdd(key, (int)number))
                throw OptionText.Bad("--numa", value, "write dist,src=0,dst=1,val=20.");
        }
        if (given.Count != 3) throw OptionText.Bad("--numa", value, "write dist,src=0,dst=1,val=20.");
        return new NumaDistance(given["src"], given["dst"], given["val"]);
    }
}
