using System;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A guest with an xHCI driver (xHCI 1.2 §4): it starts the controller, addresses devices, and puts blocks on rings of which the most are sound.</summary>
internal sealed class XhciDriver(FuzzMachine machine, Random random) : FuzzDriver(machine, random)
{
    private const ulong Commands = FuzzMachine.Arena, Events = Commands + 0x1000, Table = Commands + 0x2000, Array = Commands + 0x3000, Input = Commands + 0x4000, Contexts = Commands + 0x1_0000, Rings = Commands + 0x2_0000;
    private const int Ports = 8, Endpoints = 4, RingBlocks = 16, CommandBlocks = 64;

    private readonly (int Next, uint Cycle)[] _rings = new (int, uint)[(Ports + 1) * Endpoints];
    private int _command;
    private uint _commandCycle;

    private ulong Base => Bar(0);

    /// <inheritdoc/>
    private protected override void Begin()
    {
        UseMessages();
        Start();
    }

    /// <inheritdoc/>
    private protected override void Drive()
    {
        if ((Machine.Load(Base + 0x40, 4) & 1) == 0 || Random.Next(500) == 0) Start();
        int slot = Random.Next(1, Random.Next(4) == 0 ? Ports + 1 : 4), endpoint = Random.Next(1, Endpoints);
        switch (Random.Next(12))
        {
            case 0: Connect(Random.Next(1, Ports + 1)); break;
            case 1: PutContext(slot, Random.Next(1, Ports + 1)); break;
            case 2: Command(Random.Next(2) == 0 ? Input : Place(), (uint)Random.Next(9, 24) << 10 | (uint)slot << 24 | (uint)endpoint << 16 | (Random.Next(8) == 0 ? 1u << 9 : 0)); break;
            case 3: Command(RingOf(slot, endpoint) | 1, 16u << 10 | (uint)slot << 24 | (uint)endpoint << 16); ResetRing(slot, endpoint); break;
            case < 8: Control(slot); break;
            case 8: Machine.Store(Base + 0x1038, Events + ((ulong)Random.Next(64) * 16) | 8, 8); break;
            default:
                for (int blocks = Random.Next(1, 6); blocks > 0; blocks--) Transfer(slot, endpoint);
                Doorbell(slot, endpoint);
                break;
        }
    }

    private static ulong RingOf(int slot, int endpoint) => Rings + ((ulong)((slot * Endpoints) + endpoint) * RingBlocks * 16);

    private void Doorbell(int slot, int endpoint) => Machine.Store(Base + 0x2000 + ((ulong)slot * 4), (ulong)endpoint, 4);

    private void Start()
    {
        Machine.Store(Base + 0x40, 2, 4);
        for (ulong at = 0; at < 0x4_0000; at += 8) Machine.Memory.TryWrite(Commands + at, 0UL);
        (_command, _commandCycle) = (0, 1);
        Machine.Memory.TryWrite(Table, Events);
        Machine.Memory.TryWrite(Table + 8, (ulong)(Random.Next(16) == 0 ? Random.Next(0x1_0000) : 64));
        Machine.Store(Base + 0x78, 8, 4);
        Machine.Store(Base + 0x70, Array, 8);
        Machine.Store(Base + 0x58, Commands | 1, 8);
        Machine.Store(Base + 0x1028, 1, 4);
        Machine.Store(Base + 0x1038, Events, 8);
        Machine.Store(Base + 0x1030, Table, 8);
        Machine.Store(Base + 0x1020, 2, 4);
        Machine.Store(Base + 0x40, 5, 4);
    }

    private void Connect(int port)
    {
        Machine.Store(Base + 0x440 + ((ulong)(port - 1) * 16), 0x210, 4);
        Machine.Store(Base + 0x440 + ((ulong)(port - 1) * 16), 0x200 | 0xfe0000, 4);
        Command(0, 9 << 10);
        // The slot's number is in an event; most are as good as the first ones.
        int slot = Random.Next(1, 4);
        Machine.Memory.TryWrite(Array + ((ulong)slot * 8), Contexts + ((ulong)slot * 0x800));
        PutContext(slot, port);
        Machine.Memory.TryWrite(Input + 4, 3u);
        Command(Input, (11u << 10) | ((uint)slot << 24));
        Machine.Memory.TryWrite(Input + 4, 0xdu);
        Command(Input, (12u << 10) | ((uint)slot << 24));
    }

    private void PutContext(int slot, int port)
    {
        Machine.Memory.TryWrite(Input, Random.Next(8) == 0 ? (uint)Random.Next(64) : 0u);
        Machine.Memory.TryWrite(Input + 4, (uint)Random.Next(1, 64));
        Machine.Memory.TryWrite(Input + 32, (3u << 20) | (3u << 27));
        Machine.Memory.TryWrite(Input + 36, (uint)port << 16);
        for (int endpoint = 1; endpoint < Endpoints; endpoint++)
        {
            ulong context = Input + 32 + ((ulong)endpoint * 32);
            uint type = endpoint == 1 ? 4u : Random.Next(8) == 0 ? (uint)Random.Next(8) : 7;
            Machine.Memory.TryWrite(context + 4, (type << 3) | (3 << 1) | ((endpoint == 1 ? 64u : 8) << 16));
            Machine.Memory.TryWrite(context + 8, Random.Next(32) == 0 ? Value() : RingOf(slot, endpoint) | 1);
            ResetRing(slot, endpoint);
        }
    }

    private void ResetRing(int slot, int endpoint)
    {
        _rings[(slot * Endpoints) + endpoint] = (0, 1);
        for (ulong at = 0; at < RingBlocks * 16; at += 8) Machine.Memory.TryWrite(RingOf(slot, endpoint) + at, 0UL);
    }

    private void Command(ulong parameter, uint control)
    {
        Put(Commands + ((ulong)_command * 16), parameter, 0, control | _commandCycle);
        if (++_command == CommandBlocks - 1)
        {
            Put(Commands + ((ulong)_command * 16), Commands, 0, (6 << 10) | 2 | _commandCycle);
            (_command, _commandCycle) = (0, _commandCycle ^ 1);
        }
        Machine.Store(Base + 0x2000, 0, 4);
    }

    private void Control(int slot)
    {
        byte type = ((ReadOnlySpan<byte>)[0x80, 0x00, 0x81, 0x01, 0x21, 0xa1, 0x02, 0x82, 0xff])[Random.Next(9)];
        ulong length = Length() & 0xffff;
        Queue(slot, 1, type | ((ulong)Random.Next(16) << 8) | ((ulong)(Random.Next(64) << 8 | Random.Next(4)) << 16) | ((ulong)Random.Next(4) << 32) | (length << 48), 8, (2 << 10) | (1 << 6) | 3u << 16);
        if (length != 0) Queue(slot, 1, Place(), (uint)length, (3 << 10) | (uint)(type >> 7) << 16 | (1 << 2));
        Queue(slot, 1, 0, 0, (4 << 10) | (1 << 5) | (uint)(~type >> 7 & 1) << 16);
        Doorbell(slot, 1);
    }

    private void Transfer(int slot, int endpoint)
    {
        uint type = Random.Next(8) == 0 ? (uint)Random.Next(64) : Random.Next(6) == 0 ? 8u : Random.Next(6) == 0 ? 7u : 1;
        Queue(slot, endpoint, Random.Next(16) == 0 ? Value() : Place(), Random.Next(4) == 0 ? Length() : (uint)Random.Next(16), type << 10 | (uint)Random.Next(0x80) << 1 & ~1u | (1 << 5));
    }

    private void Queue(int slot, int endpoint, ulong parameter, uint status, uint control)
    {
        (int next, uint cycle) = _rings[(slot * Endpoints) + endpoint];
        ulong ring = RingOf(slot, endpoint);
        Put(ring + ((ulong)next * 16), parameter, status, control & ~1u | cycle);
        if (++next == RingBlocks - 1)
        {
            Put(ring + ((ulong)next * 16), ring, 0, (6 << 10) | 2 | cycle);
            (next, cycle) = (0, cycle ^ 1);
        }
        _rings[(slot * Endpoints) + endpoint] = (next, cycle);
    }

    private void Put(ulong at, ulong parameter, uint status, uint control)
    {
        Machine.Memory.TryWrite(at, parameter);
        Machine.Memory.TryWrite(at + 8, status);
        Machine.Memory.TryWrite(at + 12, control);
    }
}
