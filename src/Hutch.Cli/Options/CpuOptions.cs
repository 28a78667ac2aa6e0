using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>The values of <c>--cpus</c> and <c>--cpu</c>.</summary>
internal static class CpuOptions
{
    /// <summary>Local APIC identifiers of 8 bits, with 255 for broadcast.</summary>
    private const uint MaximumVcpus = 255;

    private const int MaskBits = 64;

    /// <summary>
    /// Reads <c>[N,][max=M,][sockets=S,dies=D,cores=C,threads=T]</c>: how many vCPUs are plugged in when the machine starts, how many there can be, and how all of these are arranged;
    /// without an arrangement they are packages of one core. Throws <see cref="UserException"/>.
    /// </summary>
    /// <returns>All vCPUs that there can be, and those of them that are not plugged in: a bit for each.</returns>
    internal static (CpuTopology Cpus, ulong Absent) ParseTopology(string value)
    {
        Dictionary<string, uint> given = [];
        foreach (string part in OptionText.Split(value))
        {
            (string key, string? text) = OptionText.TryNumber(part, uint.MaxValue, out _) ? ("", part) : OptionText.KeyValue(part);
            if (!OptionText.TryNumber(text, uint.MaxValue, out uint number) || key is not ("" or "max" or "sockets" or "dies" or "cores" or "threads") || !given.TryAdd(key, number))
                throw OptionText.Bad("--cpus", value, "write N, N,max=M, or sockets=S,dies=D,cores=C,threads=T.");
        }
        uint Of(string key) => given.GetValueOrDefault(key, 1u);
        bool isArranged = given.ContainsKey("sockets") || given.ContainsKey("dies") || given.ContainsKey("cores") || given.ContainsKey("threads");
        uint? start = given.TryGetValue("", out uint plain) ? plain : null, most = given.TryGetValue("max", out uint limit) ? limit : null;
        CpuTopology cpus = isArranged ? Checked(value, Of("sockets"), Of("dies"), Of("cores"), Of("threads")) : Checked(value, most ?? start ?? 1, 1, 1, 1);
        if (most is not null && most != cpus.VcpuCount) throw OptionText.Bad("--cpus", value, $"the arrangement has {cpus.VcpuCount} vCPUs, and max says {most}.");
        uint present = start ?? (uint)cpus.VcpuCount;
        if (present < 1 || present > cpus.VcpuCount) throw OptionText.Bad("--cpus", value, $"a machine that can have {cpus.VcpuCount} vCPUs starts with 1 to {cpus.VcpuCount}.");
        return (cpus, present >= MaskBits ? 0 : (ulong.MaxValue << (int)present) & (cpus.VcpuCount >= MaskBits ? ulong.MaxValue : (1UL << cpus.VcpuCount) - 1));
    }

    /// <summary>Reads <c>MODEL[,+flag][,-flag][,flag=on|off]</c>; the VM process knows the models. Throws <see cref="UserException"/>.</summary>
    internal static CpuModel ParseModel(string value)
    {
        List<string> parts = OptionText.Split(value);
        ImmutableArray<string>.Builder added = ImmutableArray.CreateBuilder<string>(), removed = ImmutableArray.CreateBuilder<string>();
        for (int i = 1; i < parts.Count; i++)
        {
            string flag = Signed(parts[i]);
            if (flag.Length < 2 || flag[0] is not ('+' or '-'))
                throw OptionText.Bad("--cpu", value, $"'{flag}' must begin with + or - or end with =on or =off, for example max,-avx2.");
            (flag[0] == '+' ? added : removed).Add(flag[1..]);
        }
        if (parts[0].Length == 0) throw OptionText.Bad("--cpu", value, "the model is missing, for example max,-avx2.");
        return new CpuModel(parts[0], added.ToImmutable(), removed.ToImmutable());
    }

    // flag=on is +flag, flag=off is -flag.
    private static string Signed(string flag) => flag.EndsWith("=on", StringComparison.Ordinal) ? $"+{flag[..^3]}"
        : flag.EndsWith("=off", StringComparison.Ordinal) ? $"-{flag[..^4]}" : flag;

    private static CpuTopology Checked(string value, uint sockets, uint dies, uint cores, uint threads)
    {
        ulong vcpus = (ulong)sockets * dies;
        if (vcpus <= MaximumVcpus) vcpus *= cores;
        if (vcpus <= MaximumVcpus) vcpus *= threads;
        if (vcpus is 0 or > MaximumVcpus) throw OptionText.Bad("--cpus", value, $"a machine has 1 to {MaximumVcpus} vCPUs.");
        return new CpuTopology((int)sockets, (int)cores, (int)threads, (int)dies);
    }
}
