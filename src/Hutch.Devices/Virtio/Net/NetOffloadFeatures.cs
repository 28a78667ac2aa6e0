using Hutch.Net;
using static Hutch.Devices.Virtio.Net.VirtioNetRegisters;

namespace Hutch.Devices.Virtio.Net;

/// <summary>Which feature bits say which offload (virtio 1.2 §5.1.3).</summary>
internal static class NetOffloadFeatures
{
    private static readonly (ulong Feature, NetOffloads Offload)[] Table =
    [
        (FeatureChecksum, NetOffloads.TransmitChecksum), (FeatureHostTso4, NetOffloads.TransmitTso4), (FeatureHostTso6, NetOffloads.TransmitTso6),
        (FeatureGuestChecksum, NetOffloads.ReceiveChecksum), (FeatureGuestTso4, NetOffloads.ReceiveTso4), (FeatureGuestTso6, NetOffloads.ReceiveTso6),
        (FeatureHostEcn, NetOffloads.Ecn), (FeatureGuestEcn, NetOffloads.Ecn),
    ];

    /// <summary>The features that offer these offloads.</summary>
    internal static ulong Of(NetOffloads offloads)
    {
        ulong features = 0;
        foreach ((ulong feature, NetOffloads offload) in Table)
            if ((offloads & offload) != 0) features |= feature;
        return features;
    }

    /// <summary>The offloads that a driver with these features uses. One that took a feature without the one that it builds on (§5.1.3.1) does not have it.</summary>
    internal static NetOffloads Used(ulong features, NetOffloads offered)
    {
        NetOffloads used = NetOffloads.None;
        foreach ((ulong feature, NetOffloads offload) in Table)
            if ((features & feature) != 0) used |= offload;
        if ((used & NetOffloads.TransmitChecksum) == 0) used &= ~(NetOffloads.TransmitTso4 | NetOffloads.TransmitTso6);
        if ((used & NetOffloads.ReceiveChecksum) == 0) used &= ~(NetOffloads.ReceiveTso4 | NetOffloads.ReceiveTso6);
        if ((features & FeatureHostEcn) == 0 || (features & FeatureGuestEcn) == 0) used &= ~NetOffloads.Ecn;
        return used & offered;
    }
}
