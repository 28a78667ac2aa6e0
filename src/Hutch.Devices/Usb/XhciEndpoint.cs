using System;
using System.Buffers.Binary;
using Hutch.Core.Memory;

namespace Hutch.Devices.Usb;

/// <summary>
/// An endpoint of a device: its transfer ring and what its context says (xHCI 1.2 §4.8, §6.2.3). A transfer for which the device is not ready stays on the ring until the device wakes it.
/// Under the controller's lock.
/// </summary>
internal sealed class XhciEndpoint(XhciSlot slot, int number, GuestMemory memory, XhciEvents events)
{
    // Of what a driver queues at once there are far fewer; a ring without an end gives the vCPU back all the same.
    private const int MostTransfers = 256;
    private const int ContextBytes = 32, ControlType = 4, FirstInType = 5, InterruptInType = 7;

    private readonly XhciTransfer _transfer = new(slot, number, memory, events);
    private TrbRing _ring;
    private ulong _context;
    private EndpointState _state;
    private int _type;

    /// <summary>Where the ring goes on, and type and state, for a saved machine.</summary>
    internal (ulong Ring, ulong State) Saved => (_ring.Pointer, (ulong)_type << 8 | (uint)_state);

    /// <summary>Takes its context from the guest's input and runs. False: it cannot be.</summary>
    internal bool Enable(ulong input, ulong context)
    {
        Span<byte> fields = stackalloc byte[ContextBytes];
        if (!memory.TryCopyOut(input, fields)) return false;
        int type = fields[4] >> 3 & 7;
        ulong ring = BinaryPrimitives.ReadUInt64LittleEndian(fields[8..]);
        if (type == 0 || (type == ControlType) != (number == 1)) return false;
        (_type, _context, _state, _ring) = (type, context, EndpointState.Running, new TrbRing(ring, (ring & 1) != 0));
        fields[0] = (byte)((fields[0] & ~7) | (int)_state);
        return memory.TryCopyIn(context, fields);
    }

    /// <summary>It is no more.</summary>
    internal void Disable()
    {
        if (_state != EndpointState.Disabled) SetState(EndpointState.Disabled);
        (_ring, _context, _type) = (default, 0, 0);
    }

    /// <summary>The guest rang its doorbell: a stopped endpoint runs again.</summary>
    internal void Ring()
    {
        if (_state == EndpointState.Stopped) SetState(EndpointState.Running);
        Work();
    }

    /// <summary>Carries out what is on the ring, as far as the device is ready.</summary>
    internal void Work()
    {
        for (int done = 0; done < MostTransfers && _state == EndpointState.Running && slot.Device is { } device; done++)
        {
            TrbRing ahead = _ring;
            if (!_transfer.TryTake(ref ahead, isControl: _type == ControlType)) return;
            CompletionCode? code = _transfer.Run(device, isIn: _type >= FirstInType);
            if (code is null) return;
            _ring = ahead;
            if (code == CompletionCode.Trb) SetState(EndpointState.Error);
            else if (code is not (CompletionCode.Success or CompletionCode.ShortPacket)) SetState(EndpointState.Halted);
        }
    }

    /// <summary>Stops it; a transfer that waits is reported as such (xHCI 1.2 §4.6.9).</summary>
    internal CompletionCode Stop()
    {
        if (_state == EndpointState.Disabled) return CompletionCode.EndpointNotEnabled;
        if (_state != EndpointState.Running) return CompletionCode.ContextState;
        TrbRing ahead = _ring;
        if (_transfer.TryTake(ref ahead, isControl: _type == ControlType)) _transfer.ReportStopped();
        SetState(EndpointState.Stopped);
        return CompletionCode.Success;
    }

    /// <summary>A halted endpoint may be set up anew (xHCI 1.2 §4.6.8).</summary>
    internal CompletionCode Reset()
    {
        if (_state == EndpointState.Disabled) return CompletionCode.EndpointNotEnabled;
        if (_state != EndpointState.Halted) return CompletionCode.ContextState;
        SetState(EndpointState.Stopped);
        return CompletionCode.Success;
    }

    /// <summary>Says where the ring goes on (xHCI 1.2 §4.6.10).</summary>
    internal CompletionCode SetDequeue(ulong pointer)
    {
        if (_state == EndpointState.Disabled) return CompletionCode.EndpointNotEnabled;
        if (_state is not (EndpointState.Stopped or EndpointState.Error)) return CompletionCode.ContextState;
        _ring = new TrbRing(pointer, (pointer & 1) != 0);
        SetState(EndpointState.Stopped);
        return CompletionCode.Success;
    }

    /// <summary>Takes what <see cref="Saved"/> gave. False: it cannot be.</summary>
    internal bool Restore(ulong ring, ulong state, ulong context)
    {
        (_ring, _context, _type, _state) = (new TrbRing(ring, (ring & 1) != 0), context, (int)(state >> 8 & 7), (EndpointState)(state & 0xff));
        return state >> 8 <= InterruptInType && _state <= EndpointState.Error && (_state == EndpointState.Disabled || (_type != 0 && (_type == ControlType) == (number == 1)));
    }

    private void SetState(EndpointState state)
    {
        _state = state;
        if (memory.TryRead(_context, out uint first)) memory.TryWrite(_context, (first & ~7u) | (uint)state);
        if (state != EndpointState.Running) memory.TryWrite(_context + 8, _ring.Pointer);
    }

    // As the context has them.
    private enum EndpointState
    {
        Disabled, Running, Halted, Stopped, Error,
    }
}
