using System;
using System.IO;
using System.Numerics;
using Hutch.Model.Machine;

namespace Hutch.Devices.Display;

/// <summary>Makes the display adapter.</summary>
internal sealed class VgaFactory : IDeviceFactory<VgaConfig>
{
    private const int MostRomBytes = 256 << 10;

    /// <inheritdoc/>
    public IDevice Create(VgaConfig config, MachineServices services)
    {
        if (config.MemoryMiB is < 1 or > VgaConfig.MostMemoryMiB || !BitOperations.IsPow2(config.MemoryMiB))
            throw new ConfigException($"The display '{config.Id}' cannot have {config.MemoryMiB} MiB of memory; give it a power of two from 1 to {VgaConfig.MostMemoryMiB}.");
        if (services.Memory.Layout.HiddenSegments != 0) throw new ConfigException($"The display '{config.Id}' is the machine's second; leave one out.");
        return new VgaCard(config.Id, services, config.MemoryMiB << 20, config.RomPath is null ? [] : Load(config.Id, config.RomPath));
    }

    private static byte[] Load(string name, string path)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            if (file.Length is < 512 or > MostRomBytes)
                throw new ConfigException($"The video BIOS {path} of the display '{name}' has {file.Length} bytes and no such image has; name another.");
            byte[] image = new byte[file.Length];
            file.ReadExactly(image);
            if (image[0] != 0x55 || image[1] != 0xaa) throw new ConfigException($"The video BIOS {path} of the display '{name}' does not begin with 55 aa as option ROMs do; name another.");
            return image;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new ConfigException($"The video BIOS {path} of the display '{name}' cannot be read ({refused.Message.TrimEnd('.')}); check the path.", refused);
        }
    }
}
