using System.Linq;
using Hutch.Devices;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Build;

/// <summary>What a device of the host that reaches the guest's memory itself cannot be beside. Checked before anything is created.</summary>
internal static class HostDeviceRules
{
    /// <summary>Throws <see cref="ConfigException"/> with one sentence for the first thing that is in the way.</summary>
    /// <param name="definition">The machine.</param>
    /// <param name="engine">The name of its engine.</param>
    internal static void Check(MachineDefinition definition, string engine)
    {
        if (definition.Devices.FirstOrDefault(static each => each.ReachesMemoryItself) is not { } device) return;
        if (engine != "kvm")
            throw new ConfigException($"'{device.Id}' is a device of the host and writes the guest's memory itself, which the {engine} engine does not see; run the machine with --engine kvm, on a host where hutch doctor finds it.");
        if (definition.Devices.FirstOrDefault(static each => each.ReleasesMemory) is { } other)
            throw new ConfigException($"'{other.Id}' gives memory back to the host, and '{device.Id}' needs all of it to stay where it is; leave one of them out.");
        if (definition.PluggableBytes != 0)
            throw new ConfigException($"Memory cannot be plugged in beside '{device.Id}', which needs all of it from the start; leave the max of --memory out.");
    }
}
