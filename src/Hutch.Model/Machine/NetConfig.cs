using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Hutch.Model.Machine;

/// <summary>A network card, whatever its kind.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Mac">Its address, as <see cref="MacAddress"/> writes it.</param>
/// <param name="Backend">Where its frames go.</param>
public abstract record NetCardConfig(string Id, string Mac, NetBackendConfig Backend) : DeviceConfig(Id)
{
    /// <inheritdoc/>
    [JsonIgnore]
    public override bool IsPluggable => true;

    /// <summary>Its place in the order in which firmware tries to boot, lower ones first; null: not tried.</summary>
    public int? BootIndex { get; init; }

    /// <summary>The image of its option ROM, by which a BIOS boots from the network; null: it has none.</summary>
    public string? RomPath { get; init; }

    /// <summary>The cable is not plugged in when the machine starts.</summary>
    public bool LinkDown { get; init; }
}

/// <summary>An Intel 82540EM Gigabit Ethernet card.</summary>
/// <inheritdoc cref="NetCardConfig"/>
public sealed record E1000Config(string Id, string Mac, NetBackendConfig Backend) : NetCardConfig(Id, Mac, Backend);

/// <summary>A Realtek RTL8139C+ Fast Ethernet card.</summary>
/// <inheritdoc cref="NetCardConfig"/>
public sealed record Rtl8139Config(string Id, string Mac, NetBackendConfig Backend) : NetCardConfig(Id, Mac, Backend);

/// <summary>A virtio network card (virtio 1.2 §5.1).</summary>
/// <inheritdoc cref="NetCardConfig"/>
public sealed record VirtioNetConfig(string Id, string Mac, NetBackendConfig Backend) : NetCardConfig(Id, Mac, Backend)
{
    /// <summary>The most queue pairs.</summary>
    public const int MostQueues = 16;

    /// <summary>The longest MTU in bytes.</summary>
    public const int LongestMtu = 65_520;

    /// <summary>Pairs of a receive and a transmit queue, at least 1; the back end may have fewer.</summary>
    public int Queues { get; init; } = 1;

    /// <summary>The longest IP packet in bytes, 68 to 65520; 0: as the back end says.</summary>
    public int MtuBytes { get; init; }
}

/// <summary>Where a network card's frames go. What a kind does not have is at its default.</summary>
/// <param name="Kind">The kind of back end.</param>
public sealed record NetBackendConfig(NetBackendKind Kind)
{
    /// <summary>User: the network, <c>ADDRESS/PREFIX</c> of IPv4.</summary>
    public string Network { get; init; } = "10.0.2.0/24";

    /// <summary>User: the gateway's address, which is this host; null: the network's second.</summary>
    public string? Host { get; init; }

    /// <summary>User: the name server's address; null: the network's third.</summary>
    public string? Dns { get; init; }

    /// <summary>User: the first address that DHCP gives away; null: the network's fifteenth.</summary>
    public string? DhcpStart { get; init; }

    /// <summary>User: the name that DHCP tells the guest that it has.</summary>
    public string? Hostname { get; init; }

    /// <summary>User: a directory that is served by TFTP.</summary>
    public string? Tftp { get; init; }

    /// <summary>User: the file that DHCP tells the guest to boot.</summary>
    public string? BootFile { get; init; }

    /// <summary>User: nothing leaves the network but by forwarded ports.</summary>
    public bool Restrict { get; init; }

    /// <summary>User: the network has no IPv6.</summary>
    public bool NoIPv6 { get; init; }

    /// <summary>User: ports of this host that lead into the network.</summary>
    public ImmutableArray<PortForward> Forwards { get; init; } = [];

    /// <summary>Tap: the interface's name, made when it is not there; null: one that is free. Bridge: the bridge's.</summary>
    public string? Interface { get; init; }

    /// <summary>Passt: path of the UNIX socket.</summary>
    public string? Path { get; init; }

    /// <summary>A pcapng file that gets all frames; null: none.</summary>
    public string? Capture { get; init; }

    /// <summary>Limit of what the guest receives; null: none.</summary>
    public NetRate? Inbound { get; init; }

    /// <summary>Limit of what the guest sends; null: none.</summary>
    public NetRate? Outbound { get; init; }
}

/// <summary>Kinds of <see cref="NetBackendConfig"/>.</summary>
public enum NetBackendKind
{
    /// <summary>Nothing: what the guest sends is dropped.</summary>
    None,

    /// <summary>A network in user space, by the host's libslirp; needs no privilege.</summary>
    User,

    /// <summary>A tap interface of the host.</summary>
    Tap,

    /// <summary>A tap interface of its own on a bridge of the host.</summary>
    Bridge,

    /// <summary>A process like passt behind a UNIX stream socket.</summary>
    Passt,
}

/// <summary>A port of the host that leads into a user network.</summary>
/// <param name="IsUdp">UDP instead of TCP.</param>
/// <param name="HostAddress">IPv4 address of the host.</param>
/// <param name="HostPort">Its port; 0: any that is free.</param>
/// <param name="GuestAddress">Address in the network; 0.0.0.0: the first that DHCP gives away.</param>
/// <param name="GuestPort">Its port.</param>
public sealed record PortForward(bool IsUdp, string HostAddress, int HostPort, string GuestAddress, int GuestPort);

/// <summary>How fast frames may go one way.</summary>
/// <param name="AverageBytes">Bytes for each second in the long run.</param>
/// <param name="BurstBytes">Bytes that may go at once when nothing went for a while; 0: a tenth of a second's.</param>
public sealed record NetRate(long AverageBytes, long BurstBytes = 0);
