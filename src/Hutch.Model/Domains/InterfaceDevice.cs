using System.Collections.Immutable;

namespace Hutch.Model.Domains;

/// <summary>A network card: <c>interface</c>.</summary>
public sealed record InterfaceDevice : DomainDevice
{
    /// <summary>What it is connected to: <c>network</c>, <c>bridge</c>, <c>user</c>, <c>ethernet</c>, <c>direct</c>, <c>internal</c>, <c>mcast</c>, <c>server</c>, <c>client</c>, <c>udp</c>, <c>vhostuser</c>, <c>hostdev</c>, <c>vdpa</c>, <c>null</c>.</summary>
    public string Type { get; init; } = "network";

    /// <summary>Its MAC address as <c>52:54:00:12:34:56</c>; null: none yet.</summary>
    public string? Mac { get; init; }

    /// <summary>How <see cref="Mac"/> came about, for other platforms: <c>generated</c>, <c>static</c>.</summary>
    public string? MacType { get; init; }

    /// <summary>What it is connected to.</summary>
    public InterfaceSource Source { get; init; } = new();

    /// <summary>Name of its interface on the host; of a definition only a name of the client's own.</summary>
    public string? Target { get; init; }

    /// <summary>Whether libvirt makes that interface; null: it does.</summary>
    public bool? TargetManaged { get; init; }

    /// <summary><c>virtio</c>, <c>e1000</c>, <c>rtl8139</c>, ...; null: the machine's.</summary>
    public string? Model { get; init; }

    /// <summary>How it works.</summary>
    public InterfaceDriver? Driver { get; init; }

    /// <summary>Host device and more that a back end uses: <c>backend</c> as XML text.</summary>
    public string? Backend { get; init; }

    /// <summary>Filter on it.</summary>
    public InterfaceFilter? Filter { get; init; }

    /// <summary>The cable: <c>up</c> or <c>down</c>; null: up.</summary>
    public string? Link { get; init; }

    /// <summary>Largest packet in bytes.</summary>
    public uint? Mtu { get; init; }

    /// <summary>Limits; null: none.</summary>
    public Bandwidth? Bandwidth { get; init; }

    /// <summary>It does not reach other isolated ports of its bridge.</summary>
    public bool? Isolated { get; init; }
}

/// <summary>What a network card is connected to; which properties count depends on the type. Null: not said.</summary>
public sealed record InterfaceSource
{
    /// <summary>Name of a network.</summary>
    public string? Network { get; init; }

    /// <summary>Group of the network's ports.</summary>
    public string? PortGroup { get; init; }

    /// <summary>Its port of the network, while the domain runs.</summary>
    public string? PortId { get; init; }

    /// <summary>A bridge of the host: of <c>bridge</c>, or of a network while the domain runs.</summary>
    public string? Bridge { get; init; }

    /// <summary>An interface of the host: of <c>direct</c> and <c>user</c>.</summary>
    public string? Device { get; init; }

    /// <summary>Of <c>direct</c>: <c>vepa</c>, <c>bridge</c>, <c>private</c>, <c>passthrough</c>.</summary>
    public string? Mode { get; init; }

    /// <summary>The whole <c>source</c> of the other types as XML text.</summary>
    public string? Xml { get; init; }
}

/// <summary>How a network card works: <c>driver</c>. Null: not said.</summary>
public sealed record InterfaceDriver
{
    /// <summary><c>vhost</c> or <c>qemu</c>.</summary>
    public string? Name { get; init; }

    /// <summary><c>iothread</c> or <c>timer</c>.</summary>
    public string? TransmitMode { get; init; }

    /// <summary>Doorbells are handled apart from the vCPUs.</summary>
    public bool? IoEventFd { get; init; }

    /// <summary>virtio's event index.</summary>
    public bool? EventIndex { get; init; }

    /// <summary>Pairs of queues.</summary>
    public uint? Queues { get; init; }

    /// <summary>Length of the receive queue.</summary>
    public uint? ReceiveQueueSize { get; init; }

    /// <summary>Length of the transmit queue.</summary>
    public uint? TransmitQueueSize { get; init; }

    /// <summary>virtio's transport.</summary>
    public VirtioOptions? Virtio { get; init; }

    /// <summary>Elements that are not modelled: offloads of <c>host</c> and <c>guest</c>.</summary>
    public ImmutableArray<string> Kept { get; init; } = [];
}

/// <summary>A filter: <c>filterref</c>.</summary>
/// <param name="Filter">Its name.</param>
/// <param name="Parameters">Its parameters.</param>
public sealed record InterfaceFilter(string Filter, ImmutableArray<FilterParameter> Parameters);

/// <summary>A parameter of a filter.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Value">Its value.</param>
public sealed record FilterParameter(string Name, string Value);

/// <summary>Limits of a network card, as the guest sees directions: <c>bandwidth</c>.</summary>
/// <param name="Inbound">What it receives.</param>
/// <param name="Outbound">What it sends.</param>
public sealed record Bandwidth(BandwidthLimit? Inbound, BandwidthLimit? Outbound);

/// <summary>A limit of a direction.</summary>
/// <param name="AverageKibPerSecond">KiB per second on the average; null with <paramref name="FloorKibPerSecond"/>.</param>
/// <param name="PeakKibPerSecond">KiB per second at most.</param>
/// <param name="BurstKib">KiB that may go at the peak.</param>
/// <param name="FloorKibPerSecond">KiB per second that it has at least.</param>
public sealed record BandwidthLimit(ulong? AverageKibPerSecond, ulong? PeakKibPerSecond, ulong? BurstKib, ulong? FloorKibPerSecond);
