using System.Collections.Immutable;
using Hutch.Block.Graph;
using Hutch.Model.Machine;

namespace Hutch.Devices.Ata;

/// <summary>The drives of a controller, as its configuration lists them.</summary>
internal static class AtaDrives
{
    private const int DiscSectorBytes = 2048;

    /// <summary>Opens them; null where a place is empty. Throws <see cref="ConfigException"/>.</summary>
    /// <param name="controller">Name of the controller.</param>
    /// <param name="configs">Its drives.</param>
    /// <param name="places">How many it can have.</param>
    /// <param name="bus">How they are connected.</param>
    /// <param name="services">The machine.</param>
    internal static AtaDrive?[] Open(string controller, ImmutableArray<AtaDriveConfig> configs, int places, AtaBus bus, MachineServices services)
    {
        AtaDrive?[] drives = new AtaDrive?[places];
        try
        {
            // Those that are wanted at a place first; the others take what is free, in their order.
            foreach (AtaDriveConfig config in configs)
                if (config.Place is int place) Put(place, config);
            int next = 0;
            foreach (AtaDriveConfig config in configs)
            {
                if (config.Place is not null) continue;
                while (next < places && drives[next] is not null) next++;
                Put(next, config);
            }
            return drives;
        }
        catch
        {
            foreach (AtaDrive? drive in drives) drive?.Dispose();
            throw;
        }

        void Put(int place, AtaDriveConfig config)
        {
            if (place < 0 || place >= places) throw new ConfigException($"The controller '{controller}' has {places} places, and '{config.Id}' finds none there; leave some drives out.");
            if (drives[place] is AtaDrive other) throw new ConfigException($"The drives '{other.Name}' and '{config.Id}' both belong at place {place} of '{controller}'; move one.");
            drives[place] = Open(config, bus, services);
        }
    }

    private static AtaDrive Open(AtaDriveConfig config, AtaBus bus, MachineServices services)
    {
        if (!config.IsCdRom) return new AtaDisk(config, services.OpenDisk(config.Disk ?? throw new ConfigException($"The disk '{config.Id}' has no image; name one.")), bus);
        AtaCdRom drive = new(config, bus, medium => OpenDisc(config.Id, medium, services));
        services.MediumDrives.Add(drive);
        return drive;
    }

    private static BlockNode OpenDisc(string drive, DiskConfig medium, MachineServices services)
    {
        BlockNode node = services.OpenDisk(medium);
        if (node.Limits.RequestAlignmentBytes <= DiscSectorBytes) return node;
        _ = node.DisposeAsync().AsTask();
        throw new ConfigException($"The disc for '{drive}' is on storage with blocks of {node.Limits.RequestAlignmentBytes} bytes; use another cache mode.");
    }
}
