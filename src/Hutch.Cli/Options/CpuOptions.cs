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

    /// <summary>Reads <c>N</c> (N packages of one core) or <c>sockets=S,dies=D,cores=C,threads=T</c>. Throws <see cref="UserException"/>.</summary>
    internal static CpuTopology ParseTopology(string value)
    {
        if (OptionText.TryNumber(value, uint.MaxValue, out uint count)) return Checked(value, count, 1, 1, 1);
        uint sockets = 1, dies = 1, cores = 1, threads = 1;
        foreach (string part in OptionText.Split(value))
        {
            (string key, string? text) = OptionText.KeyValue(part);
            if (!OptionText.TryNumber(text, uint.MaxValue, out uint number) || key is not ("sockets" or "dies" or "cores" or "threads"))
                throw OptionText.Bad("--cpus", value, "write a number, or sockets=S,dies=D,cores=C,threads=T.");
            if (key == "sockets") sockets = number;
            else if (key == "dies") dies = number;
            else if (key == "cores") cores = number;
            else threads = number;
        }
        return Checked(value, sockets, dies, cores, threads);
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
