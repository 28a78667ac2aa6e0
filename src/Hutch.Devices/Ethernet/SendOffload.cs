namespace Hutch.Devices.Ethernet;

/// <summary>What a card is to do with a packet before it sends it. Every number comes from the guest; nothing here is trusted.</summary>
internal record struct SendOffload
{
    /// <summary>First byte of the IP header.</summary>
    internal int IpStart { get; set; }

    /// <summary>Compute the checksum of the IP header.</summary>
    internal bool SumsIp { get; set; }

    /// <summary>Where it belongs.</summary>
    internal int IpSumAt { get; set; }

    /// <summary>The last byte that it covers; 0: the frame's last.</summary>
    internal int IpSumEnd { get; set; }

    /// <summary>First byte of the TCP or UDP header.</summary>
    internal int TransportStart { get; set; }

    /// <summary>Compute the checksum of TCP or UDP; the pseudo header's sum is in its place.</summary>
    internal bool SumsTransport { get; set; }

    /// <summary>Where it belongs.</summary>
    internal int TransportSumAt { get; set; }

    /// <summary>The last byte that it covers; 0: the frame's last.</summary>
    internal int TransportSumEnd { get; set; }

    /// <summary>Cut the packet into segments.</summary>
    internal bool Segments { get; set; }

    /// <summary>Headers that each segment has.</summary>
    internal int HeaderBytes { get; set; }

    /// <summary>The most payload of a segment.</summary>
    internal int SegmentBytes { get; set; }

    /// <summary>IPv4; else IPv6.</summary>
    internal bool IsIPv4 { get; set; }

    /// <summary>TCP; else UDP.</summary>
    internal bool IsTcp { get; set; }

    /// <summary>The VLAN tag's four bytes to insert behind the addresses, big endian; null: none.</summary>
    internal uint? Tag { get; set; }
}
