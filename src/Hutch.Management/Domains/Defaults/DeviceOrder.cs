using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>In which order devices stand: disks by their names within a bus, controllers by their numbers within a type, in the places that their first one has.</summary>
internal static class DeviceOrder
{
    private static readonly Type[] Kinds =
    [
        typeof(DiskDevice), typeof(ControllerDevice), typeof(FilesystemDevice), typeof(InterfaceDevice), typeof(CharacterDevice), typeof(InputDevice), typeof(TpmDevice), typeof(GraphicsDevice), typeof(AudioDevice),
        typeof(SoundDevice), typeof(VideoDevice), typeof(HostDevice), typeof(RedirectedDevice), typeof(HubDevice), typeof(WatchdogDevice), typeof(BalloonDevice), typeof(EntropyDevice), typeof(PanicDevice), typeof(MemoryDevice),
        typeof(IommuDevice), typeof(VsockDevice),
    ];

    private static readonly string[] CharacterKinds = ["serial", "parallel", "console", "channel"];

    internal static void Sort(List<DomainDevice> devices)
    {
        SortGroups(devices, static disk => disk.Bus ?? "", static (DiskDevice disk) => DiskNames.IndexOf(disk.Target));
        SortGroups(devices, static controller => controller.Type, static (ControllerDevice controller) => controller.Index ?? 0);
    }

    private static void SortGroups<T>(List<DomainDevice> devices, Func<T, string> group, Func<T, int> key)
        where T : DomainDevice
    {
        T[] sorted = [.. devices.OfType<T>().GroupBy(group).SelectMany(one => one.OrderBy(key))];
        int next = 0;
        for (int i = 0; i < devices.Count; i++)
            if (devices[i] is T) devices[i] = sorted[next++];
    }

    /// <summary>All devices by their kinds, as they are printed.</summary>
    internal static IEnumerable<DomainDevice> Grouped(List<DomainDevice> devices) =>
        devices.OrderBy(static device => Array.IndexOf(Kinds, device.GetType())).ThenBy(static device => device is CharacterDevice character ? Array.IndexOf(CharacterKinds, character.Kind) : 0);
}
