using System;
using System.Buffers;
using System.Threading;
using Hutch.Core.State;
using Hutch.Devices.Pci;
using Hutch.Devices.Virtio.Queue;
using Hutch.Host.Files;
using Hutch.Model.Machine;
using Hutch.Net;
using Hutch.Net.Packets;

namespace Hutch.Devices.Ethernet;

/// <summary>
/// A card that exists as hardware, on a back end that knows no hardware: the frames that pass are whole, with their checksums. Registers change under
/// <see cref="Registers"/>; one worker moves frames and sleeps in the back end. What a driver's reset must end (writes to guest memory) happens under that lock too.
/// Locks, outermost first: the bus's configuration lock, then this one.
/// </summary>
internal abstract class EthernetCard : PciFunction, IDevice, INetworkCard, INetBuffers
{
    /// <summary>What an IP packet of an ordinary Ethernet has.</summary>
    internal const int MtuBytes = 1500;

    // A frame has 60 bytes at least, and its check sequence.
    private const int LeastFrame = 60, MostReceived = 16_384;

    // One direction goes on for so many frames before the other has its turn.
    private const int BatchSize = 64;

    private readonly INetBackend _backend;
    private readonly INetQueue _queue;
    private readonly PciBus _bus;
    private readonly QueueWorker _worker;
    private readonly byte[] _received = new byte[MostReceived], _wire = new byte[PacketOffload.LongestFrame];
    private readonly MemoryHandle _wirePin;
    private volatile bool _isLinkUp, _isStarved;
    private bool _isBlocked, _isConfigured;

    /// <summary>Makes the card. The derived one connects itself with <see cref="Connect"/> when it is whole, and owns the back end from then on.</summary>
    private protected EthernetCard(NetCardConfig config, PciIdentity identity, MachineServices services, INetBackend backend) : base(config.Id, identity)
    {
        _bus = services.Pci ?? throw new ConfigException($"Device \"{config.Id}\" needs a PCI bus; list the platform before it.");
        _backend = backend;
        _isLinkUp = !config.LinkDown;
        _wirePin = _wire.AsMemory().Pin();
        _worker = new QueueWorker(config.Id, Serve, Wait);
        _queue = backend.OpenQueue(0, this);
    }

    /// <summary>Guards the registers.</summary>
    internal Lock Registers { get; } = new();

    /// <summary>The cable is plugged in. Any thread.</summary>
    internal bool IsLinkUp => _isLinkUp;

    /// <summary>The function may reach memory (PCI Local Bus 3.0 §6.2.2).</summary>
    internal bool IsBusMaster => (CommandRegister & PciRegisters.CommandBusMaster) != 0;

    /// <inheritdoc/>
    string IStateUnit.Name => Name;

    /// <inheritdoc/>
    string INetworkCard.Name => Name;

    /// <summary>The driver has switched the card on: the back end is used. Any thread.</summary>
    private protected abstract bool IsActive { get; }

    /// <inheritdoc/>
    public void Start() => _worker.Start();

    /// <inheritdoc/>
    public void Stop()
    {
        _worker.Stop();
        lock (Registers) OnStopped();
    }

    /// <inheritdoc/>
    public void Reset()
    {
        lock (Registers)
        {
            _isStarved = false;
            ResetCard();
        }
        _bus.ResetFunction(this);
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        bool link = _isLinkUp;
        fields.Group("pci", group => _bus.Exchange(this, group));
        fields.Value("link", ref link);
        _isLinkUp = link;
        lock (Registers) ExchangeCard(fields);
        if (!fields.IsRestoring) return;
        _isStarved = false;
        Wake();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _worker.Dispose();
        _backend.Dispose();
        DisposeCard();
        _wirePin.Dispose();
    }

    /// <inheritdoc/>
    public void SetLink(bool up)
    {
        lock (Registers)
        {
            if (_isLinkUp == up) return;
            _isLinkUp = up;
            OnLinkChanged();
        }
    }

    /// <inheritdoc/>
    public bool TryDeliver(in PacketOffload offload, ReadOnlySpan<byte> frame)
    {
        if (!_isLinkUp || frame.Length is < PacketOffload.ShortestFrame or > MostReceived) return true;
        frame.CopyTo(_received);
        Span<byte> whole = _received.AsSpan(0, frame.Length);
        if ((offload.Flags & PacketOffload.NeedsChecksum) != 0 && offload.IsSound(frame.Length, NetOffloads.TransmitChecksum)) InternetChecksum.Complete(whole, offload);
        return Deliver(whole.Length, offload.Flags != 0);
    }

    /// <inheritdoc/>
    internal override bool WriteConfig(int offset, ReadOnlySpan<byte> data)
    {
        bool mapping = base.WriteConfig(offset, data);
        // The driver may have let the card reach memory.
        if (offset <= PciRegisters.Command + 1) Wake();
        return mapping;
    }

    /// <summary>The last step of making a card: its power-on state, and its place on the bus.</summary>
    private protected void Connect()
    {
        lock (Registers) ResetCard();
        _ = _bus.Add(this);
    }

    /// <summary>The worker has work. Any thread.</summary>
    internal void Wake() => _worker.Signal();

    /// <summary>The driver has given the card memory for frames. Under the lock.</summary>
    internal void BuffersCame()
    {
        _isStarved = false;
        Wake();
    }

    /// <summary>Sends a frame, or takes it in where the card talks to itself. On the worker. False: not now.</summary>
    /// <param name="frame">The whole frame, 14 bytes at least.</param>
    /// <param name="loop">It comes back instead of leaving.</param>
    internal bool Send(ReadOnlySpan<byte> frame, bool loop)
    {
        if (frame.Length is < PacketOffload.ShortestFrame or > PacketOffload.LongestFrame) return true;
        if (loop)
        {
            if (frame.Length > MostReceived) return true;
            frame.CopyTo(_received);
            _ = Deliver(frame.Length, isVerified: false);
            return true;
        }
        if (!_isLinkUp) return true;
        frame.CopyTo(_wire);
        _isBlocked = !_queue.Transmit(default, [IoSegment.Of(_wirePin, frame.Length)]);
        return !_isBlocked;
    }

    /// <summary>Takes what the driver has given out to be sent, up to a number of packets. On the worker. True: there may be more at once.</summary>
    private protected abstract bool SendSome(int most);

    /// <summary>Puts a frame of 60 bytes at least into the driver's memory. Under the lock, on the worker. False: it has given none; the frame waits.</summary>
    /// <param name="frame">The frame, which may be changed.</param>
    /// <param name="isVerified">Its checksums are known to be right.</param>
    private protected abstract bool TryReceive(Span<byte> frame, bool isVerified);

    /// <summary>The worker has done what there was. Under the lock.</summary>
    private protected abstract void OnServed();

    /// <summary>The machine stands: what waits for a time is due. Under the lock.</summary>
    private protected abstract void OnStopped();

    /// <summary>The cable was plugged in or pulled. Under the lock.</summary>
    private protected abstract void OnLinkChanged();

    /// <summary>Power-on state. Under the lock.</summary>
    private protected abstract void ResetCard();

    /// <summary>Saves or restores the card's registers. Under the lock.</summary>
    private protected abstract void ExchangeCard(StateFields fields);

    /// <summary>Gives up what the card made for itself.</summary>
    private protected abstract void DisposeCard();

    private NetWait Wanted => (_isStarved ? NetWait.None : NetWait.Receive) | (_isBlocked ? NetWait.Transmit : NetWait.None);

    // The frame is at the start of the buffer; a short one is filled up, as its sender would have done.
    private bool Deliver(int length, bool isVerified)
    {
        if (length < LeastFrame)
        {
            _received.AsSpan(length, LeastFrame - length).Clear();
            length = LeastFrame;
        }
        lock (Registers)
        {
            if (TryReceive(_received.AsSpan(0, length), isVerified)) return true;
            _isStarved = true;
            return false;
        }
    }

    private void Serve()
    {
        if (!IsActive) return;
        if (!_isConfigured)
        {
            _backend.Configure(_backend.Offloads & NetOffloads.ReceiveChecksum, 1);
            _isConfigured = true;
        }
        while (ServeOnce() && !_worker.ShouldYield)
        {
            // The back end has its turn too while the guest has no end.
            _queue.Wait(_worker.Doorbell, Wanted, timeoutMs: 0);
        }
    }

    private bool ServeOnce()
    {
        bool more = _queue.Receive(BatchSize) && !_isStarved;
        _isBlocked = false;
        more |= SendSome(BatchSize);
        lock (Registers) OnServed();
        return more;
    }

    private void Wait()
    {
        if (_isConfigured && IsActive) _queue.Wait(_worker.Doorbell, Wanted, timeoutMs: -1);
        else _worker.Doorbell.WaitForCount();
    }
}
