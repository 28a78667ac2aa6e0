using System;
using Hutch.Model.Domains;
using Hutch.Model.Machine;

namespace Hutch.Management.Domains.Plan;

/// <summary>Network cards.</summary>
internal static class NetworkPlan
{
    private const long KibibyteBytes = 1024;

    internal static void Add(PlanBuilder builder)
    {
        int index = 0;
        foreach (InterfaceDevice device in builder.All<InterfaceDevice>())
        {
            string id = device.Alias ?? $"net{index}";
            index++;
            string mac = device.Mac ?? MacAddress.Of(builder.Places.Machine, id);
            NetBackendConfig backend = BackendOf(device) with { Inbound = RateOf(device.Bandwidth?.Inbound), Outbound = RateOf(device.Bandwidth?.Outbound) };
            if (device.Filter is not null) throw MachinePlan.Refuse($"the filter '{device.Filter.Filter}' of the interface {mac}", "leave <filterref> out");
            NetCardConfig card = device.Model switch
            {
                null or "virtio" or "virtio-non-transitional" => new VirtioNetConfig(id, mac, backend) { Queues = (int)Math.Clamp(device.Driver?.Queues ?? 1, 1, VirtioNetConfig.MostQueues), MtuBytes = (int)Math.Min(device.Mtu ?? 0, VirtioNetConfig.LongestMtu) },
                "e1000" => new E1000Config(id, mac, backend),
                "rtl8139" => new Rtl8139Config(id, mac, backend),
                { } other => throw MachinePlan.Refuse($"the network card '{other}'", "there are virtio, e1000 and rtl8139"),
            };
            builder.Devices.Add(card with { LinkDown = device.Link == "down" });
        }
    }

    private static NetBackendConfig BackendOf(InterfaceDevice device) => device.Type switch
    {
        "user" => new NetBackendConfig(NetBackendKind.User),
        "bridge" when device.Source.Bridge is { } bridge => new NetBackendConfig(NetBackendKind.Bridge) { Interface = bridge },
        "ethernet" => new NetBackendConfig(NetBackendKind.Tap) { Interface = device.Target },
        "null" => new NetBackendConfig(NetBackendKind.None),
        "network" => throw new ManagementException(FailureKind.NoNetwork, $"no network with matching name '{device.Source.Network}'"),
        { } other => throw MachinePlan.Refuse($"an interface of type '{other}'", "there are user, bridge and ethernet"),
    };

    private static NetRate? RateOf(BandwidthLimit? limit) => limit?.AverageKibPerSecond is not { } average ? null
        : new NetRate((long)Math.Min(average, long.MaxValue / KibibyteBytes) * KibibyteBytes, (long)Math.Min(limit.BurstKib ?? 0, long.MaxValue / KibibyteBytes) * KibibyteBytes);
}
