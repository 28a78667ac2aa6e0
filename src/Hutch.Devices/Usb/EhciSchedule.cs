using System;
using Hutch.Core.Memory;
using static Hutch.Devices.Usb.EhciTransfer;

namespace Hutch.Devices.Usb;

/// <summary>
/// The periodic and the asynchronous schedule (EHCI 1.0 §4.6, §4.8, §4.10). A periodic queue is asked once in a frame, whatever microframes it names; there are no isochronous devices, so that
/// such transfers end with an error, and no hubs, so that queues for slower devices rest. Everything is the guest's word: a walk ends after so many steps. Under the controller's lock.
/// </summary>
internal sealed class EhciSchedule(GuestMemory memory, EhciPort[] ports)
{
    // Links: the last one, and what they lead to (§3.1).
    private const uint Terminate = 1, AddressBits = ~0x1fu, TypeIsochronous = 0, TypeQueue = 1, TypeSplit = 2;

    // Records of an isochronous transfer, and the state of a split one (§3.3.2, §3.4.3).
    private const int Records = 8, FirstRecord = 4, SplitState = 12;
    private const uint RecordActive = 1u << 31, RecordError = 1 << 28, RecordLength = 0xfff << 16, RecordInterrupt = 1 << 15, SplitActive = 0x80, SplitError = 8, SplitInterrupt = 1u << 31;

    // More than a frame has time for: links and packets of a walk.
    private const int MostVisits = 256, MostPackets = 512, MostPacketBytes = 1024;
    private const int PacketOut = 0, PacketIn = 1, PacketSetup = 2;

    private readonly byte[] _data = new byte[MostPacketBytes];
    private readonly RingWatch _ring = new();
    private ScheduleEvents _events;
    private int _packets;

    private bool IsBroken => (_events & ScheduleEvents.Fatal) != 0;

    /// <summary>Carries out the periodic schedule of a frame.</summary>
    /// <param name="entry">Address of its entry in the frame list.</param>
    internal ScheduleEvents WalkPeriodic(ulong entry)
    {
        (_events, _packets) = (ScheduleEvents.None, 0);
        if (!memory.TryRead(entry, out uint link)) return ScheduleEvents.SystemError;
        _ring.Begin();
        for (int visits = 0; visits < MostVisits && (link & Terminate) == 0 && !IsBroken; visits++)
        {
            ulong at = link & AddressBits;
            if (_ring.IsClosedBy(at)) break;
            switch (link >> 1 & 3)
            {
                case TypeIsochronous:
                    for (ulong i = 0; i < Records; i++) Expire(at + FirstRecord + (i * sizeof(uint)), RecordActive, RecordLength, RecordError, RecordInterrupt);
                    break;
                case TypeQueue: Visit(at); break;
                case TypeSplit: Expire(at + SplitState, SplitActive, 0, SplitError, SplitInterrupt); break;
            }
            if (!memory.TryRead(at, out link)) Break();
        }
        return _events;
    }

    /// <summary>Goes round the asynchronous schedule for as long as something happens.</summary>
    internal ScheduleEvents WalkAsync(ulong at)
    {
        (_events, _packets) = (ScheduleEvents.None, 0);
        _ring.Begin();
        for (int visits = 0; visits < MostVisits && !IsBroken && !_ring.IsClosedBy(at); visits++)
        {
            Visit(at);
            if (!memory.TryRead(at, out uint link)) Break();
            if ((link & Terminate) != 0 || (link >> 1 & 3) != TypeQueue) break;
            at = link & AddressBits;
        }
        return _events;
    }

    // What a queue has to do now (§4.10). The transfer that is under way is in the queue, where the guest sees it.
    private void Visit(ulong at)
    {
        if (!memory.TryRead(at, out EhciQueue queue))
        {
            Break();
            return;
        }
        if (!queue.IsHighSpeed) return;
        bool isChanged = false;
        while (_packets++ < MostPackets && !IsBroken)
        {
            if (!queue.Overlay.Transfer.Has(Active))
            {
                if (queue.Overlay.Transfer.Has(Halted) || !Advance(ref queue)) break;
                isChanged = true;
            }
            bool goesOn = Execute(ref queue, out bool moved);
            isChanged |= moved;
            if (!goesOn) break;
        }
        if (isChanged && !memory.TryWrite(at + EhciQueue.OverlayOffset, queue.Overlay)) Break();
    }

    // Takes the next transfer: the alternate one behind a packet that was short (§4.10.2).
    private bool Advance(ref EhciQueue queue)
    {
        EhciTransfer done = queue.Overlay.Transfer;
        uint next = done.Left != 0 && (done.Alternate & Terminate) == 0 ? done.Alternate : done.Next;
        if ((next & Terminate) != 0) return false;
        if (!memory.TryRead(next & AddressBits, out EhciTransfer transfer)) return Break();
        if (!transfer.Has(Active)) return false;
        if (!queue.HasOwnToggles) transfer.Token = (transfer.Token & ~Toggle) | (done.Token & Toggle);
        queue.Overlay = new EhciOverlay { Current = next & AddressBits, Transfer = transfer };
        return true;
    }

    // One packet. False: the queue does not go on now.
    private bool Execute(ref EhciQueue queue, out bool isChanged)
    {
        ref EhciTransfer transfer = ref queue.Overlay.Transfer;
        isChanged = true;
        if (Find(queue.Address) is not { } device) return Miss(ref queue);
        int length = Math.Min(transfer.Left, Math.Min(queue.PacketBytes, MostPacketBytes));
        if (length == 0 && transfer.Left != 0) return Halt(ref queue, BufferError);
        Span<byte> data = _data.AsSpan(0, length);
        data.Clear();
        EhciTransfer behind = transfer;
        if (transfer.Packet != PacketIn && !Carry(ref behind, data, fromGuest: true)) return Halt(ref queue, BufferError);
        int moved = transfer.Packet switch
        {
            PacketIn => device.In(queue.Endpoint, data), PacketOut => device.Out(queue.Endpoint, data), PacketSetup => device.Setup(queue.Endpoint, data), _ => UsbDevice.Stall,
        };
        isChanged = moved != UsbDevice.NotReady;
        if (moved < 0) return isChanged && Halt(ref queue, 0);
        if (transfer.Packet == PacketIn && !Carry(ref behind, data[..moved], fromGuest: false)) return Halt(ref queue, BufferError);
        transfer = behind;
        transfer.Token ^= Toggle;
        Progress();
        bool isShort = transfer.Packet == PacketIn && moved < length;
        if (transfer.Left != 0 && !isShort) return true;
        transfer.Token &= ~Active;
        if (isShort) _events |= ScheduleEvents.Complete;
        Finish(queue.Overlay);
        return true;
    }

    // Between a packet and the pages of a transfer.
    private bool Carry(ref EhciTransfer transfer, Span<byte> data, bool fromGuest)
    {
        while (data.Length != 0)
        {
            if (!transfer.TryFind(out ulong address, out int bytes)) return false;
            Span<byte> part = data[..Math.Min(data.Length, bytes)];
            if (!(fromGuest ? memory.TryCopyOut(address, part) : memory.TryCopyIn(address, part))) return Break();
            transfer.Skip(part.Length);
            data = data[part.Length..];
        }
        return true;
    }

    private UsbPacketDevice? Find(byte address)
    {
        foreach (EhciPort port in ports)
            if (port.IsActive && port.Device is { } device && device.Address == address) return device;
        return null;
    }

    // Nobody answers: the last of so many errors ends the transfer, and with a counter of zero none does (§3.5.3).
    private bool Miss(ref EhciQueue queue)
    {
        ref EhciTransfer transfer = ref queue.Overlay.Transfer;
        int left = transfer.Errors;
        if (left != 0) transfer.Errors = left - 1;
        transfer.Token |= TransactionError;
        if (left == 1) return Halt(ref queue, 0);
        if (left != 0) _events |= ScheduleEvents.Progress;
        return false;
    }

    private bool Halt(ref EhciQueue queue, uint error)
    {
        ref EhciTransfer transfer = ref queue.Overlay.Transfer;
        transfer.Token = (transfer.Token & ~Active) | Halted | error;
        _events |= ScheduleEvents.Error;
        Progress();
        Finish(queue.Overlay);
        return false;
    }

    private void Finish(EhciOverlay overlay)
    {
        if (overlay.Transfer.Has(OnCompletion)) _events |= ScheduleEvents.Complete;
        if (!memory.TryWrite((overlay.Current & AddressBits) + TokenOffset, overlay.Transfer.Token)) Break();
    }

    // A transfer that no device takes part in.
    private void Expire(ulong at, uint active, uint length, uint error, uint interrupt)
    {
        if (!memory.TryRead(at, out uint state) || (state & active) == 0) return;
        memory.TryWrite(at, (state & ~(active | length)) | error);
        _events |= ScheduleEvents.Error | ((state & interrupt) != 0 ? ScheduleEvents.Complete : 0);
        Progress();
    }

    private void Progress()
    {
        _events |= ScheduleEvents.Progress;
        _ring.Begin();
    }

    private bool Break()
    {
        _events |= ScheduleEvents.SystemError;
        return false;
    }
}
