using System;
using System.Collections.Generic;
using Hutch.Host.Linux;
using Hutch.Host.Networks;

namespace Hutch.Net.Tap;

/// <summary>
/// A tap interface of the host: an existing one that this user may use, or a new one, which takes the capability CAP_NET_ADMIN and is gone when the machine
/// ends. Checksums and segmentation are left to the host's kernel.
/// </summary>
internal sealed class TapBackend : INetBackend
{
    // What is wrong when a call fails: EPERM, ENOENT, EACCES, EBUSY, ENODEV, EINVAL.
    private const int NotPermitted = 1, NoEntry = 2, AccessDenied = 13, Busy = 16, NoDevice = 19, Invalid = 22;

    private readonly List<TapQueue> _queues;
    private readonly string? _bridge;
    private int _attached;

    private TapBackend(List<TapQueue> queues, string? bridge, int mtuBytes)
    {
        (_queues, _bridge, MtuBytes) = (queues, bridge, mtuBytes);
        _attached = queues.Count;
    }

    /// <inheritdoc/>
    public string Description => _bridge is null ? $"the tap interface {_queues[0].Name}" : $"the bridge {_bridge}";

    /// <inheritdoc/>
    public int MostQueues => _queues.Count;

    /// <inheritdoc/>
    public int MtuBytes { get; }

    /// <inheritdoc/>
    public NetOffloads Offloads => NetOffloads.TransmitChecksum | NetOffloads.TransmitTso4 | NetOffloads.TransmitTso6 | NetOffloads.ReceiveChecksum
        | NetOffloads.ReceiveTso4 | NetOffloads.ReceiveTso6 | NetOffloads.Ecn;

    /// <summary>Opens an interface by its name, or makes one. Throws <see cref="NetException"/>.</summary>
    internal static TapBackend OpenInterface(string? name, int queues)
    {
        List<TapQueue> opened = Open(name ?? "hutch%d", queues);
        try
        {
            string actual = opened[0].Name;
            Try(() => NetworkInterfaces.BringUp(actual), isOptional: true, actual);
            return new TapBackend(opened, null, NetworkInterfaces.MtuOf(actual));
        }
        catch
        {
            Close(opened);
            throw;
        }
    }

    /// <summary>Makes an interface that is a port of a bridge. Throws <see cref="NetException"/>.</summary>
    internal static TapBackend OpenOnBridge(string bridge, int queues)
    {
        if (!NetworkInterfaces.Exists(bridge))
            throw new NetException($"There is no bridge {bridge}; make it with 'ip link add {bridge} type bridge', or name another with --net bridge=.");
        List<TapQueue> opened = Open("hutch%d", queues);
        try
        {
            string name = opened[0].Name;
            int mtu = NetworkInterfaces.MtuOf(bridge);
            Try(() => NetworkInterfaces.SetMtu(name, mtu), isOptional: false, bridge);
            Try(() => NetworkInterfaces.AddToBridge(bridge, name), isOptional: false, bridge);
            Try(() => NetworkInterfaces.BringUp(name), isOptional: false, bridge);
            return new TapBackend(opened, bridge, mtu);
        }
        catch
        {
            Close(opened);
            throw;
        }
    }

    /// <inheritdoc/>
    public INetQueue OpenQueue(int index, INetBuffers buffers) => new TapNetQueue(_queues[index], buffers);

    /// <inheritdoc/>
    public void Configure(NetOffloads used, int queues)
    {
        _ = _queues[0].SetOffloads((used & NetOffloads.ReceiveChecksum) != 0, (used & NetOffloads.ReceiveTso4) != 0, (used & NetOffloads.ReceiveTso6) != 0,
            (used & NetOffloads.Ecn) != 0);
        // Frames for a queue that the driver does not use would wait there for ever.
        for (; _attached > queues; _attached--) _ = _queues[_attached - 1].SetAttached(false);
        for (; _attached < queues; _attached++) _ = _queues[_attached].SetAttached(true);
    }

    /// <inheritdoc/>
    public void Dispose() => Close(_queues);

    private static List<TapQueue> Open(string name, int queues)
    {
        List<TapQueue> opened = [];
        try
        {
            for (int i = 0; i < queues; i++) opened.Add(TapQueue.Open(i == 0 ? name : opened[0].Name, queues > 1, PacketOffload.Bytes));
            return opened;
        }
        catch (LinuxException refused)
        {
            Close(opened);
            throw Explain(refused, name.Replace("%d", "0", StringComparison.Ordinal));
        }
    }

    private static void Close(List<TapQueue> queues)
    {
        foreach (TapQueue queue in queues) queue.Dispose();
    }

    // An interface that somebody made for this user is up already, or its owner will bring it up.
    private static void Try(Action change, bool isOptional, string name)
    {
        try
        {
            change();
        }
        catch (LinuxException refused)
        {
            if (!isOptional || refused.Errno != NotPermitted) throw Explain(refused, name);
        }
    }

    private static NetException Explain(LinuxException refused, string name) => new(refused.Errno switch
    {
        NotPermitted => $"The network interface {name} needs the capability CAP_NET_ADMIN; run as root, or make a tap interface for this user with "
            + $"'ip tuntap add dev {name} mode tap user $USER vnet_hdr' and name it with --net tap,ifname={name}.",
        NoEntry or NoDevice => "The host has no /dev/net/tun; load the kernel's module tun, or pass the device into this container.",
        AccessDenied => "The device /dev/net/tun may not be opened by this user; set its mode to 0666, or run as root.",
        Busy => $"The network interface {name} is in use by another machine or is part of another bridge; name another.",
        Invalid => $"The network interface {name} is no tap interface with as many queues as the card; make it with 'ip tuntap add dev {name} mode tap [multi_queue]', or name another.",
        _ => $"The network interface {name} cannot be used: {refused.Message}",
    }, refused);
}
