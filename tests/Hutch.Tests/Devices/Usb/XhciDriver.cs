using System;
using System.Collections.Generic;
using Hutch.Core.Memory;
using Hutch.Tests.Devices.Virtio;

namespace Hutch.Tests.Devices.Usb;

/// <summary>A driver as a guest has one, written from xHCI 1.2: rings and contexts at 1 MiB, data at 2 MiB. Blocks are four words, the first one lowest.</summary>
internal sealed class XhciDriver
{
    internal const ulong Data = 0x20_0000;
    internal const int EventBlocks = 64;
    private const ulong Commands = 0x10_0000, Events = 0x10_1000, Table = 0x10_2000, Array = 0x10_3000, Input = 0x10_4000, Contexts = 0x11_0000, Rings = 0x12_0000;

    private readonly TestMachine _machine;
    private readonly Dictionary<int, (ulong At, uint Cycle)> _rings = [];
    private ulong _command = Commands;
    private int _event;
    private uint _eventCycle = 1;

    internal XhciDriver(TestMachine machine, int slot)
    {
        _machine = machine;
        Base = (machine.ReadConfig(slot, 0x10) & ~15u) | ((ulong)machine.ReadConfig(slot, 0x14) << 32);
    }

    internal ulong Base { get; }

    private GuestMemory Memory => _machine.Memory;

    /// <summary>Reads a register.</summary>
    internal uint Read(int register) => (uint)_machine.Load(Base + (ulong)register, 4);

    /// <summary>Writes a register.</summary>
    internal void Write(int register, uint value) => _machine.Store(Base + (ulong)register, value, 4);

    /// <summary>Resets the controller, gives it its rings and lets it run.</summary>
    internal void Start()
    {
        Write(0x40, 2);
        Memory.TryCopyIn(Commands, new byte[0x4_0000]);
        _rings.Clear();
        (_command, _event, _eventCycle) = (Commands, 0, 1);
        Memory.TryWrite(Table, Events);
        Memory.TryWrite(Table + 8, (ulong)EventBlocks);
        Write(0x40 + 0x38, 8);
        Write(0x40 + 0x30, (uint)Array);
        Write(0x40 + 0x34, 0);
        Write(0x40 + 0x18, (uint)Commands | 1);
        Write(0x40 + 0x1c, 0);
        Write(0x1028, 1);
        Write(0x1038, (uint)Events);
        Write(0x103c, 0);
        Write(0x1030, (uint)Table);
        Write(0x1034, 0);
        Write(0x1020, 2);
        Write(0x40, 5);
    }

    /// <summary>The next event, or null.</summary>
    internal uint[]? Next()
    {
        uint[] block = Block(Events + ((ulong)_event * 16));
        if ((block[3] & 1) != _eventCycle) return null;
        if (++_event == EventBlocks) (_event, _eventCycle) = (0, _eventCycle ^ 1);
        // Handled, and no longer busy.
        Write(0x1038, (uint)Events + ((uint)_event * 16) | 8);
        Write(0x103c, 0);
        return block;
    }

    /// <summary>Executes a command; its completion code, and the event's slot.</summary>
    internal (uint Code, uint Slot) Command(ulong parameter, uint control)
    {
        ulong at = Post(parameter, control);
        uint[] block = Next() ?? throw new InvalidOperationException("The command had no event.");
        if ((block[3] >> 10 & 0x3f) != 33 || block[0] != (uint)at) throw new InvalidOperationException($"The event is {string.Join(' ', block)}.");
        return (block[2] >> 24, block[3] >> 24);
    }

    /// <summary>Queues a command and rings for it; its address.</summary>
    internal ulong Post(ulong parameter, uint control)
    {
        ulong at = _command;
        Put(at, parameter, 0, control | 1);
        _command += 16;
        Write(0x2000, 0);
        return at;
    }

    /// <summary>Resets the port, takes a slot and gives the device its address.</summary>
    internal int Connect(int port)
    {
        Write(0x440 + ((port - 1) * 16), 0x210);
        while (Next() is not null) { }
        Write(0x440 + ((port - 1) * 16), 0x200 | 0xfe0000);
        int slot = (int)Command(0, 9 << 10).Slot;
        Memory.TryWrite(Array + ((ulong)slot * 8), Contexts + ((ulong)slot * 0x800));
        PutInput(drop: 0, add: 3);
        PutSlotContext(port, entries: 1);
        PutEndpointContext(slot, 1, type: 4, packetBytes: 64);
        (uint code, _) = Command(Input, (11u << 10) | ((uint)slot << 24));
        return code == 1 ? slot : throw new InvalidOperationException($"The device has no address: {code}.");
    }

    /// <summary>Adds endpoint 1 IN, of the interrupt type; the code.</summary>
    internal uint ConfigureReports(int slot, int port)
    {
        PutInput(drop: 0, add: 1 | (1 << 3));
        PutSlotContext(port, entries: 3);
        PutEndpointContext(slot, 3, type: 7, packetBytes: 8);
        return Command(Input, (12u << 10) | ((uint)slot << 24)).Code;
    }

    internal void PutInput(uint drop, uint add)
    {
        Memory.TryCopyIn(Input, new byte[0x800]);
        Memory.TryWrite(Input, drop);
        Memory.TryWrite(Input + 4, add);
    }

    internal static ulong InputAddress => Input;

    /// <summary>A word of the slot's device context.</summary>
    internal uint Context(int slot, int context, int word) => Memory.TryRead(Contexts + ((ulong)slot * 0x800) + ((ulong)context * 32) + ((ulong)word * 4), out uint value) ? value : 0;

    /// <summary>A control transfer with all three stages; the last event's code and how much of the data's room was left.</summary>
    internal (uint Code, int Left) Control(int slot, byte type, byte request, ushort value, ushort index, ushort length, uint dataFlags = 1 << 2)
    {
        ulong setup = type | ((ulong)request << 8) | ((ulong)value << 16) | ((ulong)index << 32) | ((ulong)length << 48);
        bool isIn = (type & 0x80) != 0;
        Queue(slot, 1, setup, 8, (2 << 10) | (1 << 6) | (length == 0 ? 0 : isIn ? 3u << 16 : 2u << 16));
        if (length != 0) Queue(slot, 1, Data, length, (3 << 10) | (isIn ? 1u << 16 : 0) | dataFlags);
        Queue(slot, 1, 0, 0, (4 << 10) | (1 << 5) | (isIn && length != 0 ? 0 : 1u << 16));
        Ring(slot, 1);
        int left = 0;
        uint code = 0;
        while (Next() is { } block)
        {
            code = block[2] >> 24;
            if (code == 13) left = (int)(block[2] & 0xffffff);
        }
        return (code, left);
    }

    /// <summary>Puts a block on an endpoint's ring; its address.</summary>
    internal ulong Queue(int slot, int endpoint, ulong parameter, uint status, uint control)
    {
        (ulong at, uint cycle) = _rings[(slot * 32) + endpoint];
        Put(at, parameter, status, control | cycle);
        ulong next = at + 16;
        // The last block of a ring's sixteen leads to the first.
        if ((next & 0xff) == 0xf0)
        {
            Put(next, next & ~0xfful, 0, (6 << 10) | 2 | cycle);
            (next, cycle) = (next & ~0xfful, cycle ^ 1);
        }
        _rings[(slot * 32) + endpoint] = (next, cycle);
        return at;
    }

    /// <summary>Rings an endpoint's doorbell.</summary>
    internal void Ring(int slot, int endpoint) => Write(0x2000 + (slot * 4), (uint)endpoint);

    /// <summary>What lies where the data goes.</summary>
    internal byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        Memory.TryCopyOut(Data, bytes);
        return bytes;
    }

    private void PutSlotContext(int port, uint entries)
    {
        Memory.TryWrite(Input + 32, (3u << 20) | (entries << 27));
        Memory.TryWrite(Input + 36, (uint)port << 16);
    }

    private void PutEndpointContext(int slot, int endpoint, uint type, uint packetBytes)
    {
        ulong ring = Rings + ((ulong)((slot * 32) + endpoint) * 0x100), context = Input + 32 + ((ulong)endpoint * 32);
        Memory.TryCopyIn(ring, new byte[0x100]);
        _rings[(slot * 32) + endpoint] = (ring, 1);
        Memory.TryWrite(context + 4, (type << 3) | (3 << 1) | (packetBytes << 16));
        Memory.TryWrite(context + 8, ring | 1);
    }

    private void Put(ulong at, ulong parameter, uint status, uint control)
    {
        Memory.TryWrite(at, parameter);
        Memory.TryWrite(at + 8, status);
        Memory.TryWrite(at + 12, control);
    }

    private uint[] Block(ulong at)
    {
        uint[] words = new uint[4];
        for (int i = 0; i < 4; i++) Memory.TryRead(at + ((ulong)i * 4), out words[i]);
        return words;
    }
}
