using System.Collections.Generic;
using System.Globalization;
using System.Numerics;
using Hutch.Devices;

namespace Hutch.Vmm.Run;

/// <summary>
/// The part of the verb <c>set</c> that is about the number of vCPUs. New ones are plugged in at once, the lowest numbers first; those with the highest numbers the guest is asked to give up.
/// </summary>
internal static class VcpuChange
{
    private const string Option = "vcpus";

    /// <summary>Whether the options ask for it: the machine is to be stopped then.</summary>
    internal static bool IsIn(IReadOnlyDictionary<string, string> options) => options.ContainsKey(Option);

    /// <summary>Changes a stopped machine; returns the other options. Throws <see cref="ConfigException"/>, with nothing changed.</summary>
    internal static IReadOnlyDictionary<string, string> Apply(Machine machine, IReadOnlyDictionary<string, string> options)
    {
        if (!options.TryGetValue(Option, out string? text)) return options;
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int wanted)) throw new ConfigException($"'{text}' is no number of vCPUs.");
        int most = machine.Cpus.VcpuCount;
        if (wanted < 1) throw new ConfigException("A machine has one vCPU at least; pause it, or switch it off.");
        if (machine.CpuHotplug is not { } plugging) throw new ConfigException("The machine has no slots that vCPUs can be plugged into while it runs.");
        if (wanted > most)
            throw new ConfigException($"The machine can have {most} {(most == 1 ? "vCPU" : "vCPUs")} at most; start it with --cpus {BitOperations.PopCount(plugging.Present)},max={wanted}.");
        ulong present = plugging.Present, keep = Lowest(present, wanted);
        ulong added = Lowest(plugging.AbsentOf(machine.Cpus), wanted - BitOperations.PopCount(present));
        machine.PlugInVcpus(added);
        plugging.AskFor(present & ~keep);
        machine.TakeEjectedVcpus();
        return SetOptions.Without(options, Option);
    }

    private static ulong Lowest(ulong set, int count)
    {
        ulong lowest = 0;
        for (; count > 0 && set != 0; count--, set &= set - 1) lowest |= set & (~set + 1);
        return lowest;
    }
}
