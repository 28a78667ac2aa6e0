using System.Net;

namespace Hutch.Host.Networks;

/// <summary>How a network of <see cref="SlirpStack"/> looks from inside. Addresses must lie in the network; the caller has checked.</summary>
public sealed record SlirpOptions
{
    /// <summary>The network's address, IPv4.</summary>
    public required IPAddress Network { get; init; }

    /// <summary>The network's mask.</summary>
    public required IPAddress Netmask { get; init; }

    /// <summary>The gateway, which is this host.</summary>
    public required IPAddress Host { get; init; }

    /// <summary>The name server that passes questions on to the host's.</summary>
    public required IPAddress NameServer { get; init; }

    /// <summary>The first address that DHCP gives away.</summary>
    public required IPAddress FirstLease { get; init; }

    /// <summary>The network has IPv6 too: fec0::/64, the host at fec0::2, the name server at fec0::3.</summary>
    public bool HasIPv6 { get; init; }

    /// <summary>Nothing leaves the network but by forwarded ports.</summary>
    public bool IsRestricted { get; init; }

    /// <summary>The name that DHCP tells the client that it has; null: none.</summary>
    public string? ClientName { get; init; }

    /// <summary>A directory that is served by TFTP; null: none.</summary>
    public string? TftpFolder { get; init; }

    /// <summary>The file that DHCP tells a client to boot; null: none.</summary>
    public string? BootFile { get; init; }

    /// <summary>The longest IP packet in bytes, in both directions: 576 to 65520.</summary>
    public int MtuBytes { get; init; } = 1500;
}

/// <summary>Gets what a <see cref="SlirpStack"/> sends into its network. Called while one of the stack's methods runs, on that thread.</summary>
public interface ISlirpClient
{
    /// <summary>Takes one Ethernet frame without its check sequence. The bytes are valid during the call.</summary>
    void Receive(System.ReadOnlySpan<byte> frame);
}
