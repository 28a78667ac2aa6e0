using System;
using Hutch.Devices.Pci;
using Hutch.Host.Linux;
using Hutch.Host.Vfio;
using Hutch.Model.Machine;

namespace Hutch.Devices.Vfio;

/// <summary>Makes devices of the host the guest's.</summary>
internal sealed class VfioPciFactory : IDeviceFactory<VfioPciConfig>
{
    private const int MostRomBytes = 16 << 20, LeastRomBytes = 2048;

    /// <inheritdoc/>
    public IDevice Create(VfioPciConfig config, MachineServices services)
    {
        VfioFunction? function = null;
        try
        {
            // Read before the host is asked for anything.
            OptionRom? rom = config.RomPath is { } path ? OptionRom.Load(config.Id, path) : null;
            services.Memory.KeepPages();
            function = services.HostDevices.Open(config.Host, services.Memory.DmaRanges);
            byte[] space = new byte[PciRegisters.ConventionalBytes];
            function.Read(VfioFunction.ConfigRegion, 0, space);
            if ((space[PciRegisters.HeaderType] & 0x7f) != 0) throw new VfioException($"{config.Host} is a bridge; choose a device behind it.");
            if (services.Pci is { } bus) bus.WantedRom = rom ?? (config.HasRom ? RomOf(function) : null);
            return new VfioPci(config.Id, function, space, services);
        }
        catch (Exception refused)
        {
            function?.Dispose();
            if (refused is VfioException or LinuxException) throw new ConfigException($"The device '{config.Id}' cannot be made: {refused.Message}", refused);
            throw;
        }
        finally
        {
            if (services.Pci is { } bus) bus.WantedRom = null;
        }
    }

    private static OptionRom? RomOf(VfioFunction function)
    {
        ulong length = function.Region(VfioFunction.RomRegion).LengthBytes;
        if (length is < LeastRomBytes or > MostRomBytes) return null;
        byte[] image = new byte[length];
        function.Read(VfioFunction.RomRegion, 0, image);
        return image[0] == 0x55 && image[1] == 0xaa ? new OptionRom(image) : null;
    }
}
