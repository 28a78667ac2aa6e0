using Hutch.Core.Memory;

namespace Hutch.Devices.Generation;

/// <summary>Pages of read-only memory that devices without registers have, one behind the other where no RAM is and PCI has no window.</summary>
internal static class GuestPage
{
    /// <summary>Length of a page.</summary>
    internal const int Bytes = 4096;

    /// <summary>Adds a device's page. Throws <see cref="ConfigException"/> where another has the place.</summary>
    internal static RomRegion Add(string device, ulong address, MachineServices services)
    {
        MemoryLayout layout = services.Memory.Layout;
        if (layout.HasRom(address, Bytes)) throw new ConfigException($"Device \"{device}\" has no place: another device of its kind, or firmware of 16 MiB, has it; leave one out.");
        return layout.AddRom(address, Bytes);
    }
}
