using System;
using System.IO;
using System.Text;
using Hutch.Core.Memory;
using Hutch.Devices.Chipset;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Hutch.Model.Machine;

namespace Hutch.Devices.Firmware;

/// <summary>Makes the firmware, with the parts of the chipset that only firmware programs.</summary>
internal sealed class FirmwareFactory : IDeviceFactory<FirmwareConfig>
{
    private const int PageBytes = 4096;

    /// <inheritdoc/>
    public IDevice Create(FirmwareConfig config, MachineServices services)
    {
        Platform platform = services.Chipset ?? throw new ConfigException($"The firmware '{config.Id}' needs the chipset; list the platform before it.");
        if (services.Firmware is not null) throw new ConfigException($"The firmware '{config.Id}' is the machine's second; leave one out.");
        byte[] image = ReadFile(config.ImagePath, "The firmware image", (int)MemoryLayout.RomWindowBytes);
        if (image.Length < PageBytes || image.Length % PageBytes != 0)
            throw new ConfigException($"The firmware image {config.ImagePath} has {image.Length} bytes, which is no multiple of {PageBytes}; name an image of a PC's firmware.");
        FwCfgItems entries = new();
        foreach (FwCfgEntry entry in config.Entries) AddEntry(entries, entry);
        FlashChip? variables = null;
        try
        {
            ulong imageStart = GuestMemory.HighMemoryStart - (ulong)image.Length;
            if (config.VariablesPath is string path) variables = FlashChip.Open(path, imageStart, services);
            SystemFirmware firmware = new(config, platform, services, image, variables);
            services.Firmware = firmware;
            return firmware;
        }
        catch
        {
            variables?.Dispose();
            throw;
        }
    }

    /// <summary>Puts a user's entry where the guest finds it. Throws <see cref="ConfigException"/>.</summary>
    internal static void AddEntry(FwCfgItems items, FwCfgEntry entry)
    {
        if (!entry.Name.StartsWith("opt/", StringComparison.Ordinal) || entry.Name.Length > FwCfgEntry.LongestName || !Ascii.IsValid(entry.Name))
            throw new ConfigException($"The firmware entry '{entry.Name}' needs a name of up to {FwCfgEntry.LongestName} ASCII characters that begins with opt/.");
        if (items.NumberOf(entry.Name) is not null) throw new ConfigException($"There are two firmware entries '{entry.Name}'; leave one out.");
        items.SetFile(entry.Name, entry.Path is string path ? ReadFile(path, $"The file of the firmware entry '{entry.Name}',", FwCfgEntry.MostBytes) : Encoding.UTF8.GetBytes(entry.Text ?? ""));
    }

    private static byte[] ReadFile(string path, string what, int mostBytes)
    {
        try
        {
            using HostFile file = HostFile.Open(path);
            if (file.LengthBytes > mostBytes) throw new ConfigException($"{what} {path} has {file.LengthBytes} bytes; the most is {mostBytes}.");
            byte[] content = new byte[file.LengthBytes];
            return file.TryRead(0, content) ? content : throw new ConfigException($"{what} {path} cannot be read to its end; it has changed.");
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or LinuxException or ArgumentException)
        {
            throw new ConfigException($"{what} {path} cannot be read: {refused.Message.TrimEnd('.')}; check the path and its permissions.", refused);
        }
    }
}
