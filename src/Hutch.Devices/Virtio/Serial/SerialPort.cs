using System;
using System.Buffers.Binary;
using System.Text;
using Hutch.Core.State;
using Hutch.Devices.Virtio.Queue;
using Hutch.Host.Events;
using Hutch.Host.Sockets;
using static Hutch.Devices.Virtio.Serial.VirtioSerialRegisters;

namespace Hutch.Devices.Virtio.Serial;

/// <summary>
/// One port: a client of the host's socket on one side, two queues of the guest's on the other. It holds no bytes. What the client has no room for stays in the guest's queue, and what the
/// guest has no buffers for, or has not opened the port for, stays in the socket. What the guest writes while nobody is connected is dropped.
/// <para>A client that leaves is told of before the next one is let in, so that the guest sees them as two. On the device's worker, or while it is quiet.</para>
/// </summary>
internal sealed class SerialPort : IDisposable
{
    private const int MostChainsInARow = 64;

    private readonly int _number;
    private readonly bool _isConsole;
    private readonly ILocalStreamListener? _listener;
    private readonly byte[] _name;
    private ILocalStream? _client;
    private bool _addTold = true, _ready, _consoleTold = true, _nameTold = true, _openTold, _guestOpen;
    private bool _waitsForClientRoom, _waitsForGuestRoom;
    private long _sentBytes;

    /// <param name="number">Its number in the device.</param>
    /// <param name="name">What the guest calls it; empty: nothing.</param>
    /// <param name="isConsole">The guest makes a console of it.</param>
    /// <param name="listener">Where clients come to, which it owns; null: the port is there only for drivers that know no other, and leads nowhere.</param>
    internal SerialPort(int number, string name, bool isConsole, ILocalStreamListener? listener)
    {
        (_number, _isConsole, _listener) = (number, isConsole, listener);
        _name = Encoding.ASCII.GetBytes(name);
    }

    // A console is always open: a kernel writes its messages whether somebody listens or not (as QEMU does it).
    private bool IsHostOpen => _isConsole || _client is not null;

    // The guest has been told that the last client is gone.
    private bool MayAccept => _isConsole || !_openTold;

    /// <summary>The driver asks for the ports: all is to be told.</summary>
    internal void Announce()
    {
        Forget();
        _addTold = _listener is null;
    }

    /// <summary>A control message of the driver's.</summary>
    internal void Obey(ushort what, ushort value)
    {
        if (_listener is null) return;
        switch (what)
        {
            case PortReady when value == 1:
                (_ready, _consoleTold, _nameTold, _openTold) = (true, !_isConsole, _name.Length == 0, false);
                break;
            case PortOpen:
                _guestOpen = value != 0;
                break;
        }
    }

    /// <summary>Writes the next control message for the driver; 0: there is none. It counts as told.</summary>
    /// <param name="message">Room for <see cref="LongestMessage"/>.</param>
    internal int NextMessage(Span<byte> message)
    {
        if (!_addTold)
        {
            _addTold = true;
            return Put(message, DeviceAdd, 1);
        }
        if (!_ready) return 0;
        if (!_consoleTold)
        {
            _consoleTold = true;
            return Put(message, ConsolePort, 1);
        }
        if (!_nameTold)
        {
            _nameTold = true;
            _name.CopyTo(message[ControlBytes..]);
            return Put(message, PortName, 1) + _name.Length;
        }
        if (_openTold == IsHostOpen) return 0;
        _openTold = IsHostOpen;
        return Put(message, PortOpen, (ushort)(_openTold ? 1 : 0));
    }

    /// <summary>The longest control message in bytes.</summary>
    internal int LongestMessage => ControlBytes + _name.Length;

    /// <summary>Sees whether a client has gone, and lets the next one in: true where one came.</summary>
    /// <param name="tells">The driver knows control messages, and opens ports.</param>
    internal bool LookAtClients(bool tells)
    {
        // Bytes of a client that has gone are of use only to a guest that has the port open.
        if (_client is { IsPeerGone: true } && !IsGuestOpen(tells)) DropClient();
        if (_client is not null || !MayAccept) return false;
        _client = _listener?.TryAccept();
        return _client is not null;
    }

    /// <summary>Carries bytes from the guest to the client. False when it stopped so that others have their turn.</summary>
    internal bool Transmit(VirtQueue queue, SerialPortWork work)
    {
        _waitsForClientRoom = false;
        int chains = 0;
        do
        {
            queue.DisableNotifications();
            while (!work.ShouldYield && work.TryPop(queue))
            {
                if (!Send(work))
                {
                    queue.UndoPop();
                    return true;
                }
                _sentBytes = 0;
                queue.PushUsed(work.Chain.Head, 0);
                if (++chains == MostChainsInARow) return false;
            }
        }
        while (!work.ShouldYield && queue.EnableNotifications());
        return true;
    }

    /// <summary>Carries bytes from the client to the guest. False when it stopped so that others have their turn.</summary>
    internal bool Receive(VirtQueue queue, SerialPortWork work, bool tells)
    {
        _waitsForGuestRoom = false;
        for (int chains = 0; _client is { } client && IsGuestOpen(tells) && !work.ShouldYield; chains++)
        {
            if (chains == MostChainsInARow) return false;
            if (!work.TryPop(queue))
            {
                if (queue.EnableNotifications()) continue;
                _waitsForGuestRoom = true;
                return true;
            }
            queue.DisableNotifications();
            int room = (int)Math.Min(work.Chain.WritableBytes, work.Scratch.Length);
            int count = room == 0 ? 0 : client.Receive(work.Scratch.AsSpan(0, room));
            if (room != 0 && count <= 0)
            {
                queue.UndoPop();
                if (count < 0) return true;
                // Another round drops what the guest's queue still has for it.
                DropClient();
                return false;
            }
            _ = work.Chain.TryWrite(0, work.Scratch.AsSpan(0, count));
            queue.PushUsed(work.Chain.Head, (uint)count);
        }
        return true;
    }

    /// <summary>Adds what the port waits for.</summary>
    internal void Await(PollSet polls, bool tells)
    {
        if (_client is not { } client)
        {
            if (_listener is not null && MayAccept) polls.Add(_listener.Descriptor, read: true, write: false);
            return;
        }
        bool open = IsGuestOpen(tells), reads = open && !_waitsForGuestRoom;
        // A client that has gone and whose bytes the guest has no room for would end each wait at once.
        if (reads || _waitsForClientRoom || !open) polls.Add(client.Descriptor, reads, _waitsForClientRoom);
    }

    /// <summary>The driver knows nothing of the port any more. The client stays.</summary>
    internal void Forget()
    {
        (_addTold, _ready, _consoleTold, _nameTold, _openTold, _guestOpen) = (true, false, true, true, false, false);
        (_waitsForClientRoom, _waitsForGuestRoom, _sentBytes) = (false, false, 0);
    }

    /// <summary>Saves or restores what the driver knows of it, and how much of the first chain of its queue was sent. A client belongs to the process, not to the machine.</summary>
    internal void Exchange(StateFields fields)
    {
        fields.Value("add-told", ref _addTold);
        fields.Value("ready", ref _ready);
        fields.Value("console-told", ref _consoleTold);
        fields.Value("name-told", ref _nameTold);
        fields.Value("open-told", ref _openTold);
        fields.Value("guest-open", ref _guestOpen);
        fields.Value("sent-bytes", ref _sentBytes, 0, uint.MaxValue);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        DropClient();
        _listener?.Dispose();
    }

    // A driver without control messages cannot say that it has opened the port.
    private bool IsGuestOpen(bool tells) => !tells || _guestOpen;

    private int Put(Span<byte> message, ushort what, ushort value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)_number);
        BinaryPrimitives.WriteUInt16LittleEndian(message[4..], what);
        BinaryPrimitives.WriteUInt16LittleEndian(message[6..], value);
        return ControlBytes;
    }

    // False: the client has no room for the rest of the chain now, or the machine stops.
    private bool Send(SerialPortWork work)
    {
        while (_client is { } client && _sentBytes < work.Chain.ReadableBytes)
        {
            if (work.ShouldYield) return false;
            Span<byte> part = work.Scratch.AsSpan(0, (int)Math.Min(work.Scratch.Length, work.Chain.ReadableBytes - _sentBytes));
            _ = work.Chain.TryRead(_sentBytes, part);
            int count = client.Send(part);
            if (count == 0)
            {
                _waitsForClientRoom = true;
                return false;
            }
            // What it had sent before it left is still read.
            if (count < 0) return true;
            _sentBytes += count;
        }
        return true;
    }

    private void DropClient()
    {
        _client?.Dispose();
        _client = null;
        _waitsForClientRoom = false;
    }
}
