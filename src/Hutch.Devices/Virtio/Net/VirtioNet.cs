using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.State;
using Hutch.Model.Machine;
using Hutch.Net;
using static Hutch.Devices.Virtio.Net.VirtioNetRegisters;

namespace Hutch.Devices.Virtio.Net;

/// <summary>
/// The network device (virtio 1.2 §5.1). Each pair of queues has a worker, which passes frames between the driver's buffers and a queue of the back end and
/// sleeps there; the first serves the control queue too.
/// </summary>
internal sealed class VirtioNet : VirtioDevice, INetworkCard
{
    /// <summary>Entries of every queue.</summary>
    internal const int QueueEntries = 256;

    private readonly INetBackend _backend;
    private readonly NetQueuePair[] _pairs;
    private readonly NetControl _control;
    private readonly ulong _ownAddress;
    private readonly int _mtuBytes;
    private ulong _address;
    private ReceiveFilter _filter = ReceiveFilter.All;
    private int _status, _usedPairs = 1;
    private bool _announce;

    /// <summary>Makes the device and owns <paramref name="backend"/>.</summary>
    internal VirtioNet(VirtioNetConfig config, MachineServices services, INetBackend backend, int pairs, ReadOnlySpan<byte> address)
        : base(config.Id, VirtioNetRegisters.DeviceType, services.Memory, pairs, waitsItself: true, Entries(pairs))
    {
        _backend = backend;
        _ownAddress = _address = ToNumber(address);
        _mtuBytes = config.MtuBytes != 0 ? config.MtuBytes : backend.MtuBytes;
        _status = config.LinkDown ? 0 : StatusLinkUp;
        _control = new NetControl(this, WorkerOf(0));
        _pairs = new NetQueuePair[pairs];
        for (int i = 0; i < pairs; i++) _pairs[i] = new NetQueuePair(this, backend, WorkerOf(2 * i), i);
    }

    /// <summary>What passes to the driver. Written by the first worker, read by all.</summary>
    internal ReceiveFilter Filter
    {
        get => Volatile.Read(ref _filter);
        set => Volatile.Write(ref _filter, value);
    }

    /// <summary>The features that the driver accepted.</summary>
    internal ulong DriverFeatures => Features;

    /// <summary>The offloads that the driver accepted.</summary>
    internal NetOffloads UsedOffloads { get; private set; }

    /// <summary>The cable is plugged in. Any thread.</summary>
    internal bool IsLinkUp => (Volatile.Read(ref _status) & StatusLinkUp) != 0;

    /// <inheritdoc/>
    string INetworkCard.Name => Name;

    /// <inheritdoc/>
    internal override uint PciClass => 0x020000;

    /// <inheritdoc/>
    internal override ulong DeviceFeatures
    {
        get
        {
            ulong features = FeatureMac | FeatureStatus | FeatureMergeable | FeatureControl | FeatureControlReceive | FeatureControlVlan | FeatureControlReceiveExtra
                | FeatureControlMac | FeatureAnnounce | NetOffloadFeatures.Of(_backend.Offloads);
            if (_mtuBytes != 0) features |= FeatureMtu;
            if (_pairs.Length > 1) features |= FeatureMultiQueue;
            return features;
        }
    }

    /// <inheritdoc/>
    internal override void ReadConfig(ulong offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[ConfigBytes];
        CopyAddress(config[Mac..]);
        BinaryPrimitives.WriteUInt16LittleEndian(config[Status..], (ushort)Volatile.Read(ref _status));
        BinaryPrimitives.WriteUInt16LittleEndian(config[MaxPairs..], (ushort)_pairs.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(config[Mtu..], (ushort)_mtuBytes);
        CopyConfig(config, offset, data);
    }

    /// <inheritdoc/>
    internal override void Start()
    {
        // A restored guest may be on another port of its network, which must learn that (§5.1.6.5.4).
        if (_announce && (Features & FeatureAnnounce) != 0) Interlocked.Or(ref _status, StatusAnnounce);
        bool tell = _announce && IsDriverOk;
        _announce = false;
        base.Start();
        if (tell) Transport.InterruptConfig();
    }

    /// <inheritdoc/>
    public void SetLink(bool up)
    {
        int before = up ? Interlocked.Or(ref _status, StatusLinkUp) : Interlocked.And(ref _status, ~StatusLinkUp);
        if ((before & StatusLinkUp) != 0 != up) Transport.InterruptConfig();
    }

    /// <summary>Whether a frame of 14 bytes at least is to reach the driver. Any worker.</summary>
    internal bool Wants(ReadOnlySpan<byte> frame)
    {
        if (!IsLinkUp) return false;
        Span<byte> address = stackalloc byte[8];
        CopyAddress(address);
        return Filter.Passes(frame, address[..MacAddress.Bytes]);
    }

    /// <summary>The driver chose an address.</summary>
    internal void SetAddress(ReadOnlySpan<byte> address) => Volatile.Write(ref _address, ToNumber(address));

    /// <summary>The driver has announced itself.</summary>
    internal bool Announced()
    {
        Interlocked.And(ref _status, ~StatusAnnounce);
        return true;
    }

    /// <summary>The driver uses so many pairs. False when there are not so many.</summary>
    internal bool SetPairs(int pairs)
    {
        if (pairs < 1 || pairs > _pairs.Length) return false;
        _usedPairs = pairs;
        _backend.Configure(UsedOffloads, pairs);
        return true;
    }

    /// <inheritdoc/>
    private protected override int WorkerNumber(int queue) => (queue >> 1) is int pair && pair < (Queues.Length >> 1) ? pair : 0;

    /// <inheritdoc/>
    private protected override void WaitForWork(int worker)
    {
        if (IsDriverOk) _pairs[worker].Wait();
        else base.WaitForWork(worker);
    }

    /// <inheritdoc/>
    private protected override void ServeQueues(int worker)
    {
        if (worker == 0 && (Features & FeatureControl) != 0) _control.Serve(ControlQueue);
        _pairs[worker].Serve();
    }

    /// <inheritdoc/>
    private protected override void OnActivate()
    {
        UsedOffloads = NetOffloadFeatures.Used(Features, _backend.Offloads);
        Filter = (Features & FeatureControlVlan) != 0 ? ReceiveFilter.All.WithoutVlans() : ReceiveFilter.All;
        _backend.Configure(UsedOffloads, _usedPairs = 1);
    }

    /// <inheritdoc/>
    private protected override void OnReset(bool machineReset)
    {
        _address = _ownAddress;
        Filter = ReceiveFilter.All;
        Interlocked.And(ref _status, ~StatusAnnounce);
        _announce = false;
        _usedPairs = 1;
        foreach (NetQueuePair pair in _pairs) pair.Reset();
    }

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields)
    {
        fields.Value("address", ref _address);
        fields.Value("status", ref _status, 0, StatusLinkUp | StatusAnnounce);
        fields.Value("pairs", ref _usedPairs, 1, _pairs.Length);
        fields.Group("filter", group => Filter = Filter.Exchange(group));
        if (!fields.IsRestoring) return;
        _announce = true;
        UsedOffloads = NetOffloadFeatures.Used(Features, _backend.Offloads);
        if (IsDriverOk) _backend.Configure(UsedOffloads, _usedPairs);
    }

    /// <inheritdoc/>
    private protected override void DisposeBackend() => _backend.Dispose();

    // Without the feature a driver looks for it behind the first pair (§5.1.2).
    private int ControlQueue => (Features & FeatureMultiQueue) != 0 ? 2 * _pairs.Length : 2;

    private void CopyAddress(Span<byte> destination)
    {
        ulong address = Volatile.Read(ref _address);
        for (int i = 0; i < MacAddress.Bytes; i++) destination[i] = (byte)(address >> (8 * i));
    }

    private static ulong ToNumber(ReadOnlySpan<byte> address)
    {
        ulong number = 0;
        for (int i = 0; i < MacAddress.Bytes; i++) number |= (ulong)address[i] << (8 * i);
        return number;
    }

    private static int[] Entries(int pairs)
    {
        int[] entries = new int[(2 * pairs) + 1];
        Array.Fill(entries, QueueEntries);
        return entries;
    }
}
