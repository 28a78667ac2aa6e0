using System;
using System.Buffers.Binary;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Virtio.Queue;
using Hutch.Host.Events;

namespace Hutch.Devices.Virtio.Vsock;

/// <summary>
/// The socket device (virtio 1.2 §5.10): packets between the driver's queues and <see cref="VsockHost"/>. One worker, which sleeps until a queue or a stream has work. Connections do not
/// survive a save: the restored guest is told that all are gone (§5.10.6.7).
/// </summary>
internal sealed class VirtioVsock : VirtioDevice
{
    private const ushort SocketType = 19;
    private const ulong FeatureStream = 1;
    private const int QueueEntries = 128, ToDriver = 0, FromDriver = 1, Events = 2, MostInARow = 64, EventBytes = 4;

    private readonly ulong _cid;
    private readonly VsockHost _host;
    private readonly PollSet _polls = new();
    private readonly byte[] _packet = new byte[VsockPacket.Bytes + VsockConnection.RoomBytes];
    private bool _hasBuffers, _tellReset;

    /// <summary>Makes the device and owns <paramref name="host"/>.</summary>
    internal VirtioVsock(string name, GuestMemory memory, ulong cid, VsockHost host)
        : base(name, SocketType, memory, workers: 1, waitsItself: true, QueueEntries, QueueEntries, QueueEntries) => (_cid, _host) = (cid, host);

    /// <inheritdoc/>
    internal override uint PciClass => 0x028000;

    /// <inheritdoc/>
    internal override ulong DeviceFeatures => FeatureStream;

    /// <inheritdoc/>
    internal override void ReadConfig(ulong offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(config, _cid);
        CopyConfig(config, offset, data);
    }

    /// <inheritdoc/>
    private protected override void WaitForWork(int worker)
    {
        if (IsDriverOk) _polls.Wait(WorkerOf(0).Doorbell);
        else base.WaitForWork(worker);
    }

    /// <inheritdoc/>
    private protected override void ServeQueues(int worker)
    {
        if (_tellReset) TellReset();
        bool isDone = Hear(), wasFull = !_host.MayTake;
        _host.Move();
        isDone &= Speak();
        _polls.Clear();
        _host.Await(_polls, _hasBuffers);
        // Answers that had no place before may have one now.
        if (!isDone || (wasFull && _host.MayTake)) Kick(FromDriver);
    }

    /// <inheritdoc/>
    private protected override void OnReset(bool machineReset)
    {
        _host.Clear();
        _tellReset = false;
    }

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields)
    {
        if (!fields.IsRestoring) return;
        _host.Clear();
        _tellReset = true;
    }

    /// <inheritdoc/>
    private protected override void DisposeBackend() => _host.Dispose();

    // VIRTIO_VSOCK_EVENT_TRANSPORT_RESET, which is number 0.
    private void TellReset()
    {
        VirtQueue queue = Queues[Events];
        Span<byte> reset = stackalloc byte[EventBytes];
        reset.Clear();
        while (!TryPop(queue))
            if (!queue.EnableNotifications()) return;
        queue.PushUsed(Chain.Head, Chain.TryWrite(0, reset) ? (uint)EventBytes : 0);
        _tellReset = false;
        InterruptIfWanted(Events);
    }

    // False when there is more to hear.
    private bool Hear()
    {
        VirtQueue queue = Queues[FromDriver];
        int heard = 0;
        do
        {
            queue.DisableNotifications();
            // What cannot be answered yet waits for buffers, which come by the other queue.
            while (!ShouldYield && _host.MayTake && TryPop(queue))
            {
                Take();
                queue.PushUsed(Chain.Head, 0);
                if (++heard != MostInARow) continue;
                InterruptIfWanted(FromDriver);
                return false;
            }
            InterruptIfWanted(FromDriver);
        }
        while (!ShouldYield && _host.MayTake && queue.EnableNotifications());
        return true;
    }

    private void Take()
    {
        if (!Chain.TryRead(0, _packet.AsSpan(0, VsockPacket.Bytes))) return;
        VsockPacket packet = VsockPacket.Read(_packet);
        Span<byte> data = packet.Length <= VsockConnection.RoomBytes ? _packet.AsSpan(VsockPacket.Bytes, (int)packet.Length) : [];
        // Less than it says is behind it: there is no telling what it was to be.
        if (data.Length != 0 && !Chain.TryRead(VsockPacket.Bytes, data)) return;
        _host.Take(packet, data);
    }

    // False when there is more to say, and buffers for it.
    private bool Speak()
    {
        VirtQueue queue = Queues[ToDriver];
        _hasBuffers = true;
        for (int said = 0; !ShouldYield; said++)
        {
            if (said == MostInARow) return false;
            if (!TryPop(queue))
            {
                if (queue.EnableNotifications()) continue;
                _hasBuffers = false;
                break;
            }
            queue.DisableNotifications();
            int room = (int)Math.Min(Chain.WritableBytes, _packet.Length), length = 0;
            // A buffer without room for a header and a byte is good for nothing.
            if (room > VsockPacket.Bytes && (length = _host.Next(_packet.AsSpan(0, room))) == 0)
            {
                queue.UndoPop();
                break;
            }
            _ = Chain.TryWrite(0, _packet.AsSpan(0, length));
            queue.PushUsed(Chain.Head, (uint)length);
            InterruptIfWanted(ToDriver);
        }
        return true;
    }
}
