using System;
using System.Buffers.Binary;
using Hutch.Core.State;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.Net;

/// <summary>
/// Which frames a driver wants (virtio 1.2 §5.1.6.5.1 to §5.1.6.5.3). Immutable: the control queue's worker makes a new one and the others go on with the one
/// that they see.
/// </summary>
internal sealed record ReceiveFilter
{
    /// <summary>The most addresses of a table; a driver with more gets all of that kind, as the specification allows.</summary>
    internal const int MostAddresses = 64;

    private const int VlanBytes = 4096 / 8;

    /// <summary>What a driver that has said nothing gets: everything.</summary>
    internal static ReceiveFilter All { get; } = new();

    /// <summary>Everything passes.</summary>
    internal bool Promiscuous { get; init; } = true;

    /// <summary>All frames to groups pass.</summary>
    internal bool AllMulticast { get; init; }

    /// <summary>All frames to single cards pass.</summary>
    internal bool AllUnicast { get; init; }

    /// <summary>No frame to a group passes.</summary>
    internal bool NoMulticast { get; init; }

    /// <summary>No frame to a single card passes.</summary>
    internal bool NoUnicast { get; init; }

    /// <summary>No broadcast passes.</summary>
    internal bool NoBroadcast { get; init; }

    /// <summary>Addresses of single cards besides the card's own, one after the other.</summary>
    internal byte[] Unicast { get; init; } = [];

    /// <summary>Addresses of groups.</summary>
    internal byte[] Multicast { get; init; } = [];

    /// <summary>A bit for each VLAN; null: frames of all pass.</summary>
    internal byte[]? Vlans { get; init; }

    /// <summary>The same with no VLAN but those that the driver adds.</summary>
    internal ReceiveFilter WithoutVlans() => this with { Vlans = new byte[VlanBytes] };

    /// <summary>The same with a VLAN more or less. The number is below 4096.</summary>
    internal ReceiveFilter WithVlan(int vlan, bool passes)
    {
        byte[] vlans = Vlans is null ? new byte[VlanBytes] : (byte[])Vlans.Clone();
        int bit = 1 << (vlan & 7);
        vlans[vlan >> 3] = (byte)(passes ? vlans[vlan >> 3] | bit : vlans[vlan >> 3] & ~bit);
        return this with { Vlans = vlans };
    }

    /// <summary>Whether a frame of 14 bytes at least is for the driver.</summary>
    internal bool Passes(ReadOnlySpan<byte> frame, ReadOnlySpan<byte> ownAddress)
    {
        if (Vlans is not null && IsOtherVlan(frame)) return false;
        if (Promiscuous) return true;
        ReadOnlySpan<byte> target = frame[..MacAddress.Bytes];
        if ((target[0] & 1) == 0) return !NoUnicast && (AllUnicast || target.SequenceEqual(ownAddress) || Contains(Unicast, target));
        if (!target.ContainsAnyExcept((byte)0xff)) return !NoBroadcast;
        return !NoMulticast && (AllMulticast || Contains(Multicast, target));
    }

    /// <summary>Passes the fields out, or returns a filter of those that came in.</summary>
    internal ReceiveFilter Exchange(StateFields fields)
    {
        bool promiscuous = Promiscuous, allMulticast = AllMulticast, allUnicast = AllUnicast, noMulticast = NoMulticast, noUnicast = NoUnicast, noBroadcast = NoBroadcast;
        fields.Value("promiscuous", ref promiscuous);
        fields.Value("all-multicast", ref allMulticast);
        fields.Value("all-unicast", ref allUnicast);
        fields.Value("no-multicast", ref noMulticast);
        fields.Value("no-unicast", ref noUnicast);
        fields.Value("no-broadcast", ref noBroadcast);
        byte[] unicast = fields.Blob("unicast", Unicast, MostAddresses * MacAddress.Bytes);
        byte[] multicast = fields.Blob("multicast", Multicast, MostAddresses * MacAddress.Bytes);
        byte[] vlans = fields.Blob("vlans", Vlans ?? [], VlanBytes);
        fields.Require(unicast.Length % MacAddress.Bytes == 0, "unicast");
        fields.Require(multicast.Length % MacAddress.Bytes == 0, "multicast");
        fields.Require(vlans.Length is 0 or VlanBytes, "vlans");
        return new ReceiveFilter
        {
            Promiscuous = promiscuous, AllMulticast = allMulticast, AllUnicast = allUnicast, NoMulticast = noMulticast, NoUnicast = noUnicast,
            NoBroadcast = noBroadcast, Unicast = unicast, Multicast = multicast, Vlans = vlans.Length == 0 ? null : vlans,
        };
    }

    // A frame without a tag belongs to no VLAN (IEEE 802.1Q: TPID 0x8100, then the VLAN in the low 12 bits).
    private bool IsOtherVlan(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < 16 || BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) != 0x8100) return false;
        int vlan = BinaryPrimitives.ReadUInt16BigEndian(frame[14..]) & 0xfff;
        return (Vlans![vlan >> 3] & (1 << (vlan & 7))) == 0;
    }

    private static bool Contains(byte[] addresses, ReadOnlySpan<byte> address)
    {
        for (int at = 0; at < addresses.Length; at += MacAddress.Bytes)
            if (address.SequenceEqual(addresses.AsSpan(at, MacAddress.Bytes))) return true;
        return false;
    }
}
