using System;
using System.Buffers.Binary;
using Hutch.Core.State;

namespace Hutch.Devices.Ethernet.Rtl8139;

/// <summary>The counters that the card writes to memory when it is asked to (RTL8139C+ §6.4). Counters of what goes wrong on a wire stay 0. Under the card's lock.</summary>
internal sealed class Rtl8139Tally
{
    /// <summary>Bytes of the dump.</summary>
    internal const int Bytes = 64;

    private readonly ulong[] _counters = new ulong[5];

    private enum Counter { Sent, Received, Own, Broadcasts, Groups }

    /// <summary>Power-on state.</summary>
    internal void Reset() => Array.Clear(_counters);

    /// <summary>A packet was sent.</summary>
    internal void CountSent() => _counters[(int)Counter.Sent]++;

    /// <summary>A frame was received.</summary>
    /// <param name="passedAs">What it passed the filter as.</param>
    internal void CountReceived(uint passedAs)
    {
        _counters[(int)Counter.Received]++;
        if (passedAs == Rtl8139Registers.ReceivedOwn) _counters[(int)Counter.Own]++;
        if (passedAs == Rtl8139Registers.ReceivedBroadcast) _counters[(int)Counter.Broadcasts]++;
        if (passedAs == Rtl8139Registers.ReceivedGroup) _counters[(int)Counter.Groups]++;
    }

    /// <summary>The dump.</summary>
    internal void Write(Span<byte> dump)
    {
        dump.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(dump, _counters[(int)Counter.Sent]);
        BinaryPrimitives.WriteUInt64LittleEndian(dump[8..], _counters[(int)Counter.Received]);
        BinaryPrimitives.WriteUInt64LittleEndian(dump[40..], _counters[(int)Counter.Own]);
        BinaryPrimitives.WriteUInt64LittleEndian(dump[48..], _counters[(int)Counter.Broadcasts]);
        BinaryPrimitives.WriteUInt32LittleEndian(dump[56..], (uint)_counters[(int)Counter.Groups]);
    }

    /// <summary>Saves or restores the counters.</summary>
    internal void Exchange(StateFields fields) => fields.Numbers("counters", _counters);
}
