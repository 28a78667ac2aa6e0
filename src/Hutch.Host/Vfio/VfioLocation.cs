using System.Collections.Generic;
using System.IO;
using System.Linq;

namespace Hutch.Host.Vfio;

/// <summary>A PCI device of the host as sysfs has it, bound to vfio-pci.</summary>
/// <param name="Address">Its address, as in 0000:01:00.0.</param>
/// <param name="Group">The number of its IOMMU group.</param>
/// <param name="Node">The name of its own file under /dev/vfio/devices; null: the kernel has none.</param>
/// <param name="GroupFolder">Where sysfs lists the devices of the group.</param>
internal sealed record VfioLocation(string Address, string Group, string? Node, string GroupFolder)
{
    private const string Driver = "vfio-pci";

    /// <summary>Finds a device. Throws <see cref="VfioException"/>.</summary>
    internal static VfioLocation Find(string root, string address)
    {
        string groups = Path.Combine(root, "sys/kernel/iommu_groups"), folder = Path.Combine(root, "sys/bus/pci/devices", address);
        if (!Directory.Exists(groups) || !Directory.EnumerateDirectories(groups).Any())
            throw new VfioException($"{address} cannot be passed through: this host has no IOMMU in use (/sys/kernel/iommu_groups is empty). Switch VT-d or AMD-Vi on in its firmware, and boot it with intel_iommu=on or amd_iommu=on.");
        if (!Directory.Exists(folder)) throw new VfioException($"There is no PCI device {address} on this host; lspci -D lists them.");
        if (Target(folder, "iommu_group") is not { } group)
            throw new VfioException($"{address} cannot be passed through: it is behind no IOMMU (it has no iommu_group in /sys/bus/pci/devices/{address}); choose another device.");
        string? driver = Target(folder, "driver");
        if (driver != Driver) throw new VfioException($"{address} is {(driver is null ? "bound to no driver" : $"in use by the host's driver {driver}")}; bind it to {Driver}, as root: {BindCommands(address, driver)}");
        string nodes = Path.Combine(folder, "vfio-dev");
        string? node = Directory.Exists(nodes) ? Directory.EnumerateDirectories(nodes).Select(Path.GetFileName).FirstOrDefault() : null;
        return new VfioLocation(address, group, node, Path.Combine(groups, group, "devices"));
    }

    /// <summary>Why the group cannot be used: which of its other devices the host still drives.</summary>
    internal string NotViable()
    {
        List<string> others = [];
        IEnumerable<string> members = Directory.Exists(GroupFolder) ? Directory.EnumerateFileSystemEntries(GroupFolder) : [];
        foreach (string folder in members.Order())
        {
            string? driver = Target(folder, "driver");
            if (Path.GetFileName(folder) != Address && driver is not (null or Driver or "pcieport")) others.Add($"{Path.GetFileName(folder)} ({driver})");
        }
        string first = others.Count == 0 ? "ADDRESS" : others[0][..others[0].IndexOf(' ')];
        return $"{Address} cannot be passed through alone: the host drives other devices of its IOMMU group {Group}: {(others.Count == 0 ? "none that sysfs names" : string.Join(", ", others))}. "
            + $"Bind each of them to {Driver} too, as root: {BindCommands(first, "")}";
    }

    private static string BindCommands(string address, string? driver) =>
        $"modprobe {Driver}; echo {Driver} > /sys/bus/pci/devices/{address}/driver_override; {(driver is null ? "" : $"echo {address} > /sys/bus/pci/devices/{address}/driver/unbind; ")}echo {address} > /sys/bus/pci/drivers_probe";

    private static string? Target(string folder, string link) => Path.GetFileName(new DirectoryInfo(Path.Combine(folder, link)).LinkTarget);
}
