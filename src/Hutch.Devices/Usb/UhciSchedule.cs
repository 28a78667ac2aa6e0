using System;
using System.Runtime.InteropServices;
using Hutch.Core.Memory;

namespace Hutch.Devices.Usb;

/// <summary>
/// The frame list and the queues and transfers that hang from it (UHCI 1.1 §3). Everything in it is the guest's word: a frame ends after so many of them, or where a ring of queues has
/// nothing to do. Under the controller's lock.
/// </summary>
internal sealed class UhciSchedule(GuestMemory memory, UhciPort[] ports)
{
    // Pointers: the last, to a queue, and the next transfer of the queue before other queues (§3.1, §3.2.1).
    private const uint Terminate = 1, IsQueue = 2, DepthFirst = 4, AddressBits = ~0xfu;

    // Control and status of a transfer (§3.2.2).
    private const uint LengthBits = 0x7ff, CrcTimeout = 1 << 18, NotAcknowledged = 1 << 19, Stalled = 1 << 22, Active = 1 << 23, OnCompletion = 1 << 24, Isochronous = 1 << 25, ShortDetect = 1 << 29;
    private const int ErrorShift = 27, ErrorBits = 3;

    // Token (§3.2.3): the packet, and where it goes.
    private const byte PacketIn = 0x69, PacketOut = 0xe1, PacketSetup = 0x2d;
    private const int MostBytes = 1280;

    // More queues and transfers than a frame has time for.
    private const int MostVisits = 256;

    private readonly byte[] _data = new byte[MostBytes];
    private readonly RingWatch _ring = new();
    private ScheduleEvents _events;

    /// <summary>Carries out a frame, and says what happened.</summary>
    /// <param name="entry">Address of its entry in the frame list.</param>
    internal ScheduleEvents Walk(ulong entry)
    {
        _events = ScheduleEvents.None;
        if (!memory.TryRead(entry, out uint link)) return ScheduleEvents.SystemError;
        _ring.Begin();
        ulong queue = 0;
        uint next = Terminate;
        for (int visits = 0; visits < MostVisits && (link & Terminate) == 0 && (_events & ScheduleEvents.Fatal) == 0; visits++)
        {
            ulong at = link & AddressBits;
            if ((link & IsQueue) != 0)
            {
                if (_ring.IsClosedBy(at)) break;
                if (!memory.TryRead(at, out UhciQueue head)) return _events | ScheduleEvents.SystemError;
                next = head.Link;
                (link, queue) = (head.Element & Terminate) != 0 ? (next, 0) : (head.Element, at);
                continue;
            }
            if (!memory.TryRead(at, out UhciTransfer transfer)) return _events | ScheduleEvents.SystemError;
            bool isDone = Execute(at, transfer);
            if (queue == 0) link = transfer.Link;
            else if (isDone)
            {
                memory.TryWrite(queue + sizeof(uint), transfer.Link);
                if ((transfer.Link & (DepthFirst | Terminate)) == DepthFirst) link = transfer.Link;
                else (link, queue) = (next, 0);
            }
            else (link, queue) = (next, 0);
        }
        return _events;
    }

    // True: the queue goes on behind it (§3.4.2).
    private bool Execute(ulong at, UhciTransfer transfer)
    {
        if ((transfer.Status & Active) == 0)
        {
            // It is told of in every frame that comes by (§3.2.2, IOC).
            if ((transfer.Status & OnCompletion) != 0) _events |= ScheduleEvents.Complete;
            return false;
        }
        byte packet = (byte)transfer.Token;
        int length = (int)(((transfer.Token >> 21) + 1) & LengthBits), endpoint = (int)(transfer.Token >> 15 & 0xf);
        if (length > MostBytes || packet is not (PacketIn or PacketOut or PacketSetup))
        {
            _events |= ScheduleEvents.ProcessError;
            return false;
        }
        if (Find((byte)(transfer.Token >> 8 & 0x7f)) is not { } device) return Miss(at, transfer.Status);
        Span<byte> data = _data.AsSpan(0, length);
        data.Clear();
        if (packet != PacketIn && length != 0 && !memory.TryCopyOut(transfer.Buffer, data)) return Break();
        int moved = packet switch { PacketIn => device.In(endpoint, data), PacketOut => device.Out(endpoint, data), _ => device.Setup(endpoint, data) };
        if (packet == PacketIn && moved > 0 && !memory.TryCopyIn(transfer.Buffer, data[..moved])) return Break();
        return moved switch
        {
            UsbDevice.NotReady => Wait(at, transfer.Status),
            < 0 => Fail(at, transfer.Status | Stalled),
            _ => Retire(at, transfer.Status, moved, isShort: packet == PacketIn && moved < length),
        };
    }

    private UsbPacketDevice? Find(byte address)
    {
        foreach (UhciPort port in ports)
            if (port.IsActive && port.Device is { } device && device.Address == address) return device;
        return null;
    }

    private bool Retire(ulong at, uint status, int moved, bool isShort)
    {
        Finish(at, status & ~NotAcknowledged, moved);
        if (!isShort || (status & ShortDetect) == 0) return true;
        _events |= ScheduleEvents.Short;
        return false;
    }

    private bool Fail(ulong at, uint status)
    {
        Finish(at, status, 0);
        _events |= ScheduleEvents.Error;
        return false;
    }

    // Nothing to send yet. An isochronous transfer is tried once only.
    private bool Wait(ulong at, uint status)
    {
        if ((status & Isochronous) != 0) Finish(at, status, 0);
        else if ((status & NotAcknowledged) == 0) WriteStatus(at, status | NotAcknowledged);
        return false;
    }

    // Nobody answers: the last of so many errors ends it, and with a counter of zero none does (§3.2.2).
    private bool Miss(ulong at, uint status)
    {
        uint left = status >> ErrorShift & ErrorBits;
        status |= CrcTimeout;
        if (left == 1 || (status & Isochronous) != 0) return Fail(at, (status & ~((uint)ErrorBits << ErrorShift)) | Stalled);
        WriteStatus(at, left == 0 ? status : status - (1u << ErrorShift));
        if (left != 0) _events |= ScheduleEvents.Progress;
        return false;
    }

    private bool Break()
    {
        _events |= ScheduleEvents.SystemError;
        return false;
    }

    private void Finish(ulong at, uint status, int moved)
    {
        WriteStatus(at, (status & ~(Active | LengthBits)) | ((uint)(moved - 1) & LengthBits));
        _events |= ScheduleEvents.Progress | ((status & OnCompletion) != 0 ? ScheduleEvents.Complete : 0);
        _ring.Begin();
    }

    private void WriteStatus(ulong at, uint status) => memory.TryWrite(at + sizeof(uint), status);

    // As they lie in memory (§3.2, §3.3).
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct UhciTransfer(uint Link, uint Status, uint Token, uint Buffer);

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct UhciQueue(uint Link, uint Element);
}
