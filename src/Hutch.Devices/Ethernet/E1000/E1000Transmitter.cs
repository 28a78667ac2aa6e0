using System;
using System.Buffers.Binary;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Net;
using static Hutch.Devices.Ethernet.E1000.E1000Registers;

namespace Hutch.Devices.Ethernet.E1000;

/// <summary>
/// The sending half (§3.3 to §3.5): takes whole packets, of which the last descriptor is there, and gives their descriptors back when the back end has taken them. Registers
/// change under the card's lock; packets are gathered and sent by the worker without it, so that a packet during which the card was reset is given back to nobody.
/// </summary>
internal sealed class E1000Transmitter(E1000Card card, GuestMemory memory, E1000Interrupts interrupts, E1000Statistics statistics)
{
    private const int Padded = 60;

    // A descriptor of another kind than these three has no meaning.
    private enum Kind { Legacy, Context, Data }

    private readonly FrameCutter _cutter = new(card);
    private readonly byte[] _packet = new byte[PacketOffload.LongestFrame], _descriptor = new byte[DescriptorBytes], _context = new byte[DescriptorBytes];
    private uint _sentCauses;

    // Which time between resets it is, and which one the packet is of that is being cut.
    private uint _era, _cutEra;

    /// <summary>TDBAL to TDT.</summary>
    internal E1000Ring Ring { get; } = new();

    /// <summary>TCTL.</summary>
    internal uint Control { get; set; }

    /// <summary>TIDV and TADV.</summary>
    internal (uint Delay, uint AtMost) Delays { get; set; }

    /// <summary>The transmitter is on.</summary>
    internal bool IsEnabled => (Control & TransmitEnable) != 0;

    /// <summary>Power-on state.</summary>
    internal void Reset()
    {
        Ring.Reset();
        (Control, Delays, _sentCauses) = (0, (0, 0), 0);
        Array.Clear(_context);
        _era++;
    }

    /// <summary>Sends up to so many packets. On the worker, without the lock. True: there may be more.</summary>
    internal bool SendSome(int most)
    {
        for (int i = 0; i < most; i++)
            if (!SendOne()) return false;
        return true;
    }

    /// <summary>Tells the driver what was sent since the last call. Under the lock.</summary>
    internal void Tell()
    {
        if (_sentCauses == 0) return;
        if (Ring.Available == 0) interrupts.Raise(CauseSendQueueEmpty);
        if ((_sentCauses & CommandDelay) != 0) interrupts.RaiseLater(CauseSent, Delays.Delay, Delays.AtMost);
        else interrupts.Raise(CauseSent);
        _sentCauses = 0;
    }

    /// <summary>Saves or restores the registers and the context that the driver loaded last.</summary>
    internal void Exchange(StateFields fields)
    {
        uint control = Control;
        (uint delay, uint atMost) = Delays;
        fields.Value("control", ref control);
        fields.Value("delay", ref delay);
        fields.Value("delay-at-most", ref atMost);
        (Control, Delays) = (control, (delay, atMost));
        fields.Group("ring", Ring.Exchange);
        fields.Bytes("context", _context);
    }

    // True: a packet or a context is done with.
    private bool SendOne()
    {
        uint era, count = 0, available;
        int length = 0;
        SendOffload offload = default;
        bool isComplete = false, isLong = false;
        lock (card.Registers)
        {
            if (!IsEnabled || !card.IsBusMaster) return false;
            (era, available) = (_era, Ring.Available);
            // What was begun before a reset is forgotten.
            if (_cutEra != era) _cutter.Reset();
            _cutEra = era;
        }
        while (!isComplete)
        {
            // The driver has not given the packet's end yet.
            if (count == available) return false;
            ulong address;
            lock (card.Registers)
            {
                if (era != _era || count >= Ring.Size) return false;
                address = Ring.AddressOf(count);
            }
            if (!memory.TryCopyOut(address, _descriptor)) Array.Clear(_descriptor);
            count++;
            Kind kind = KindOf(_descriptor);
            if (kind == Kind.Context)
            {
                // A context before a packet is the packet's; it is loaded when the card comes to it.
                if (count == 1) return Load(era);
                lock (card.Registers) _descriptor.CopyTo(_context, 0);
                continue;
            }
            if (length == 0) offload = kind == Kind.Data ? Plan() : default;
            isComplete = (_descriptor[11] & CommandEnd) != 0;
            if (kind == Kind.Legacy && isComplete) PlanLegacy(ref offload);
            if (kind == Kind.Data && isComplete) PlanTag(ref offload);
            int bytes = kind == Kind.Data ? BinaryPrimitives.ReadInt32LittleEndian(_descriptor.AsSpan(8)) & 0xfffff : BinaryPrimitives.ReadUInt16LittleEndian(_descriptor.AsSpan(8));
            isLong |= bytes > _packet.Length - length;
            if (!isLong && memory.TryCopyOut(BinaryPrimitives.ReadUInt64LittleEndian(_descriptor), _packet.AsSpan(length, bytes))) length += bytes;
        }
        // Longer than any frame is, it is lost, as one that no buffer of the hardware holds.
        if (isLong) length = 0;
        if ((Control & TransmitPad) != 0 && length is > 0 and < Padded)
        {
            _packet.AsSpan(length, Padded - length).Clear();
            length = Padded;
        }
        if (!_cutter.Send(_packet.AsSpan(0, length), offload, card.IsLooped)) return false;
        return GiveBack(era, count, length, offload.Segments);
    }

    private static Kind KindOf(ReadOnlySpan<byte> descriptor) =>
        (descriptor[11] & CommandExtended) == 0 ? Kind.Legacy : descriptor[10] >> 4 == 0 ? Kind.Context : Kind.Data;

    private bool Load(uint era)
    {
        lock (card.Registers)
        {
            if (era != _era) return false;
            _descriptor.CopyTo(_context, 0);
            WriteBack(0);
            Ring.Advance(1);
            return true;
        }
    }

    private bool GiveBack(uint era, uint count, int length, bool isSegmented)
    {
        lock (card.Registers)
        {
            if (era != _era || count > Ring.Size) return false;
            for (uint i = 0; i < count; i++)
                if (memory.TryCopyOut(Ring.AddressOf(i), _descriptor)) WriteBack(i);
            Ring.Advance(count);
            statistics.CountSent(_packet.AsSpan(0, Math.Max(length, 6)), _cutter.Frames, _cutter.Bytes, isSegmented);
            return true;
        }
    }

    // What of the descriptor that was read last the driver wants to hear of.
    private void WriteBack(uint steps)
    {
        if ((_descriptor[11] & CommandReport) == 0) return;
        _ = memory.TryWrite(Ring.AddressOf(steps) + 12, (byte)(_descriptor[12] & 0xf0 | StatusDone));
        // One that is not delayed makes the interrupt immediate for all.
        _sentCauses = (_descriptor[11] & CommandDelay) != 0 ? _sentCauses == 0 ? CommandDelay : _sentCauses : CommandReport;
    }

    // What the context and the first data descriptor of a packet ask for (§3.3.6, §3.3.7).
    private SendOffload Plan()
    {
        ReadOnlySpan<byte> context = _context;
        byte command = context[11], options = _descriptor[13];
        return new SendOffload
        {
            IpStart = context[0],
            IpSumAt = context[1],
            IpSumEnd = BinaryPrimitives.ReadUInt16LittleEndian(context[2..]),
            TransportStart = context[4],
            TransportSumAt = context[5],
            TransportSumEnd = BinaryPrimitives.ReadUInt16LittleEndian(context[6..]),
            SumsIp = (options & OptionIp) != 0,
            SumsTransport = (options & OptionTransport) != 0,
            Segments = (_descriptor[11] & CommandSegment) != 0 && (command & CommandSegment) != 0,
            HeaderBytes = context[13],
            SegmentBytes = BinaryPrimitives.ReadUInt16LittleEndian(context[14..]),
            IsIPv4 = (command & ContextIPv4) != 0,
            IsTcp = (command & ContextTcp) != 0,
        };
    }

    // The last descriptor of a packet has what is to be done with it: a checksum from somewhere to the end (§3.3.3.2), and a tag.
    private void PlanLegacy(ref SendOffload offload)
    {
        if ((_descriptor[11] & CommandInsertSum) != 0)
            offload = offload with { SumsTransport = true, IsTcp = true, TransportStart = _descriptor[13], TransportSumAt = _descriptor[10] };
        PlanTag(ref offload);
    }

    private void PlanTag(ref SendOffload offload)
    {
        if ((_descriptor[11] & CommandVlan) == 0 || !card.HandlesTags) return;
        offload.Tag = card.VlanType << 16 | BinaryPrimitives.ReadUInt16LittleEndian(_descriptor.AsSpan(14));
    }
}
