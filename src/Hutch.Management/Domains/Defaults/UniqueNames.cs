using System.Collections.Generic;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>What two devices cannot have at once.</summary>
internal static class UniqueNames
{
    internal static void Check(List<DomainDevice> devices)
    {
        Dictionary<string, DiskDevice> targets = [];
        HashSet<string> aliases = [], controllers = [], channels = [];
        HashSet<uint> orders = [];
        foreach (DomainDevice device in devices)
        {
            if (device is DiskDevice disk && !targets.TryAdd(disk.Target, disk))
                throw DomainDefaults.Bad($"target '{disk.Target}' duplicated for disk sources '{targets[disk.Target].Source.Path}' and '{disk.Source.Path}'");
            if (device is ControllerDevice controller && !controllers.Add($"{controller.Type} {controller.Index} {(ControllerDefaults.IsUsb2(controller) ? controller.Model : "")}"))
                throw DomainDefaults.Bad($"Multiple '{controller.Type}' controllers with index '{controller.Index}'");
            if (device is CharacterDevice { Kind: "channel", ChannelName: { } name } && !channels.Add(name)) throw DomainDefaults.Bad($"two channels have the name '{name}'");
            if (device.Alias is { } alias && device is not CharacterDevice && !ControllerShares(device) && !aliases.Add(alias)) throw DomainDefaults.Bad($"non unique alias detected: {alias}");
            if (device.BootOrder is { } order && !orders.Add(order)) throw DomainDefaults.Bad($"boot order '{order}' used for more than one device");
        }
    }

    private static bool ControllerShares(DomainDevice device) => device is ControllerDevice controller && ControllerDefaults.IsUsb2(controller);
}
