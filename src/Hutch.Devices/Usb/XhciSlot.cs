using System;
using System.Buffers.Binary;
using Hutch.Core.Memory;
using Hutch.Core.State;

namespace Hutch.Devices.Usb;

/// <summary>A device slot: the device that a guest addresses by it and its endpoints, with their contexts in guest memory (xHCI 1.2 §4.5, §6.2). Under the controller's lock.</summary>
internal sealed class XhciSlot
{
    /// <summary>Endpoints by their context's number: 1 for control, then two for each number, out and in.</summary>
    internal const int EndpointCount = 32;

    private const ulong ContextBytes = 32;
    private const uint StateDefault = 1, StateAddressed = 2, StateConfigured = 3;
    private const int StateShift = 27, EntriesShift = 27;

    private readonly GuestMemory _memory;
    private readonly XhciPort[] _ports;
    private readonly XhciEndpoint[] _endpoints = new XhciEndpoint[EndpointCount];
    private bool _enabled;
    private ulong _context;
    private uint _state;
    private int _port;

    internal XhciSlot(int number, GuestMemory memory, XhciPort[] ports, XhciEvents events)
    {
        (Number, _memory, _ports) = (number, memory, ports);
        for (int i = 1; i < EndpointCount; i++) _endpoints[i] = new XhciEndpoint(this, i, memory, events);
    }

    /// <summary>Its number, from 1.</summary>
    internal int Number { get; }

    /// <summary>The guest has it.</summary>
    internal bool IsEnabled => _enabled;

    /// <summary>The device, while it is addressed.</summary>
    internal UsbDevice? Device => _port == 0 ? null : _ports[_port - 1].Device;

    /// <summary>An endpoint by its context's number, from 1.</summary>
    internal XhciEndpoint Endpoint(int number) => _endpoints[number];

    /// <summary>The guest gets the slot.</summary>
    internal void Enable() => _enabled = true;

    /// <summary>The guest gives it back.</summary>
    internal void Disable()
    {
        foreach (XhciEndpoint endpoint in _endpoints.AsSpan(1)) endpoint.Disable();
        (_enabled, _context, _state, _port) = (false, 0, 0, 0);
    }

    /// <summary>Gives the device at a port to the slot (xHCI 1.2 §4.6.5).</summary>
    /// <param name="input">Address of the input context.</param>
    /// <param name="context">Address of the device context.</param>
    /// <param name="block">The device is not told yet.</param>
    internal CompletionCode Address(ulong input, ulong context, bool block)
    {
        if (!ReadFlags(input, out uint drop, out uint add) || drop != 0 || (add & 3) != 3) return CompletionCode.Trb;
        if (!_memory.TryRead(input + ContextBytes, out uint route) || !_memory.TryRead(input + ContextBytes + 4, out uint port)) return CompletionCode.Trb;
        int number = (int)((port >> 16) & 0xff);
        // There are no hubs.
        if ((route & 0xfffff) != 0 || number == 0 || number > _ports.Length || _ports[number - 1].Device is null) return CompletionCode.Transaction;
        (_context, _port, _state) = (context, number, block ? StateDefault : StateAddressed);
        Copy(input + ContextBytes, context, StateField(_state) | (block ? 0 : (uint)Number));
        return _endpoints[1].Enable(input + 2 * ContextBytes, EndpointContext(1)) ? CompletionCode.Success : CompletionCode.Trb;
    }

    /// <summary>Takes away and adds endpoints (xHCI 1.2 §4.6.6).</summary>
    internal CompletionCode Configure(ulong input, bool deconfigure)
    {
        if (_state < StateAddressed) return CompletionCode.ContextState;
        if (deconfigure)
        {
            for (int i = 2; i < EndpointCount; i++) _endpoints[i].Disable();
            SetState(StateAddressed);
            return CompletionCode.Success;
        }
        if (!ReadFlags(input, out uint drop, out uint add) || (drop & 3) != 0 || (add & 3) != 1) return CompletionCode.Trb;
        for (int i = 2; i < EndpointCount; i++)
        {
            if (((drop | add) >> i & 1) != 0) _endpoints[i].Disable();
            if ((add >> i & 1) != 0 && !_endpoints[i].Enable(input + (ulong)(i + 1) * ContextBytes, EndpointContext(i))) return CompletionCode.Trb;
        }
        if (_memory.TryRead(input + ContextBytes, out uint entries) && _memory.TryRead(_context, out uint old))
            _memory.TryWrite(_context, (old & ~(0x1fu << EntriesShift)) | (entries & (0x1fu << EntriesShift)));
        SetState(StateConfigured);
        return CompletionCode.Success;
    }

    /// <summary>Takes what a guest found out late: the control endpoint's packets (xHCI 1.2 §4.6.7).</summary>
    internal CompletionCode Evaluate(ulong input)
    {
        if (_state == 0) return CompletionCode.ContextState;
        if (!ReadFlags(input, out uint drop, out uint add) || drop != 0 || (add & ~3u) != 0) return CompletionCode.Trb;
        if ((add & 2) != 0 && _memory.TryRead(input + 2 * ContextBytes + 4, out uint packets) && _memory.TryRead(EndpointContext(1) + 4, out uint old))
            _memory.TryWrite(EndpointContext(1) + 4, (old & 0xffff) | (packets & 0xffff0000));
        return CompletionCode.Success;
    }

    /// <summary>The device was reset by its port and has no address (xHCI 1.2 §4.6.11).</summary>
    internal CompletionCode ResetDevice()
    {
        if (_state < StateAddressed) return CompletionCode.ContextState;
        for (int i = 2; i < EndpointCount; i++) _endpoints[i].Disable();
        SetState(StateDefault);
        return CompletionCode.Success;
    }

    /// <summary>Saves or restores it.</summary>
    internal void Exchange(StateFields fields)
    {
        ulong[] rings = new ulong[EndpointCount], states = new ulong[EndpointCount];
        for (int i = 1; i < EndpointCount; i++) (rings[i], states[i]) = _endpoints[i].Saved;
        fields.Value("enabled", ref _enabled);
        fields.Value("context", ref _context);
        fields.Value("state", ref _state);
        fields.Value("port", ref _port, 0, _ports.Length);
        fields.Numbers("rings", rings);
        fields.Numbers("endpoints", states);
        fields.Require(_state <= StateConfigured, "state");
        if (!fields.IsRestoring) return;
        for (int i = 1; i < EndpointCount; i++) fields.Require(_endpoints[i].Restore(rings[i], states[i], EndpointContext(i)), "endpoints");
    }

    private ulong EndpointContext(int number) => _context + (ulong)number * ContextBytes;

    private static uint StateField(uint state) => state << StateShift;

    private void SetState(uint state)
    {
        _state = state;
        _memory.TryWrite(_context + 12, StateField(state) | (state == StateDefault ? 0 : (uint)Number));
    }

    private bool ReadFlags(ulong input, out uint drop, out uint add)
    {
        add = 0;
        return _memory.TryRead(input, out drop) && _memory.TryRead(input + 4, out add);
    }

    // A slot context, with what the controller says of it.
    private void Copy(ulong from, ulong to, uint state)
    {
        Span<byte> context = stackalloc byte[(int)ContextBytes];
        if (!_memory.TryCopyOut(from, context)) return;
        BinaryPrimitives.WriteUInt32LittleEndian(context[12..], state);
        _memory.TryCopyIn(to, context);
    }
}
