using System;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A guest with an EHCI driver (EHCI 1.0 §4): it takes and hands over ports, gives addresses, and hangs transfers into both schedules, of which the most are sound.</summary>
internal sealed class EhciDriver(FuzzMachine machine, Random random) : FuzzDriver(machine, random)
{
    private const ulong List = FuzzMachine.Arena, Queues = List + 0x1000, Transfers = List + 0x2000, Setups = List + 0x3000;
    private const int QueueCount = 8, AsyncCount = 4, TransferCount = 64, Frames = 1024, Addresses = 3, Ports = 6;
    private const uint Terminate = 1, IsQueue = 2, Active = 0x80;

    private int _transfer;

    private ulong Base => Bar(0) + 0x20;

    /// <inheritdoc/>
    private protected override void Begin()
    {
        UnmaskPins();
        Start();
    }

    /// <inheritdoc/>
    private protected override void Drive()
    {
        if ((Machine.Load(Base, 4) & 1) == 0 || Random.Next(500) == 0) Start();
        switch (Random.Next(16))
        {
            case 0: Reset(Random.Next(Ports)); break;
            case 1: Control(Random.Next(Addresses), 0x00, 5, (ushort)Random.Next(Addresses), 0); break;
            case 2: Control(Random.Next(Addresses), 0x00, 9, 1, 0); break;
            case 3: Machine.Memory.TryWrite(List + ((ulong)Random.Next(Frames) * 4), Random.Next(4) == 0 ? (uint)Value() : QueueAt(Random.Next(QueueCount)) ^ (uint)Random.Next(4) << 1); break;
            case 4: Machine.Memory.TryWrite(Queues + ((ulong)Random.Next(QueueCount) * 64), Random.Next(8) == 0 ? (uint)Value() : QueueAt(Random.Next(QueueCount))); break;
            case 5: Machine.Store(Base + 4, 0x3f, 4); break;
            case 6: Machine.Store(Base + ((ulong)Random.Next(24) * 4), Value(), 4); break;
            case 7: Machine.Store(Base + 0x44 + ((ulong)Random.Next(Ports) * 4), 1u << Random.Next(24), 4); break;
            case < 11:
                byte type = ((ReadOnlySpan<byte>)[0x80, 0x00, 0x81, 0x01, 0x21, 0xa1, 0x02, 0x82, 0xff])[Random.Next(9)];
                Control(Random.Next(Addresses), type, (byte)Random.Next(16), (ushort)(Random.Next(64) << 8 | Random.Next(4)), (ushort)(Length() & 0x3ff));
                break;
            default:
                int queue = Random.Next(AsyncCount, QueueCount);
                Put(queue, Random.Next(Addresses), Random.Next(8) == 0 ? Random.Next(16) : 1, 8, Transfer(1, Random.Next(8) == 0 ? (int)(Length() & 0x7fff) : 8, Place()));
                break;
        }
        Machine.Time.Advance(Random.Next(4) * 500_000L);
    }

    private static uint QueueAt(int index) => (uint)Queues + ((uint)index * 64) | IsQueue;

    private void Start()
    {
        Machine.Store(Base, 2, 4);
        for (ulong frame = 0; frame < Frames; frame++) Machine.Memory.TryWrite(List + (frame * 4), QueueAt(AsyncCount));
        for (int i = 0; i < QueueCount; i++) Put(i, 0, 0, 64, Terminate);
        Machine.Store(Base + 0x14, List, 4);
        Machine.Store(Base + 0x18, Queues, 4);
        Machine.Store(Base + 8, 0x37, 4);
        Machine.Store(Base, 0x8_0031, 4);
        Machine.Store(Base + 0x40, 1, 4);
        for (int port = 0; port < 3; port++) Reset(port);
    }

    private void Reset(int port)
    {
        ulong register = Base + 0x44 + ((ulong)port * 4);
        Machine.Store(register, 0x100, 4);
        Machine.Store(register, 2, 4);
    }

    // The first ones are a ring, the others lead to each other.
    private void Put(int index, int address, int endpoint, int packetBytes, uint transfer)
    {
        ulong at = Queues + ((ulong)index * 64);
        Machine.Memory.TryWrite(at, index < AsyncCount ? QueueAt((index + 1) % AsyncCount) : index == QueueCount - 1 ? Terminate : QueueAt(index + 1));
        Machine.Memory.TryWrite(at + 4, (uint)address | (uint)endpoint << 8 | (Random.Next(32) == 0 ? 0 : 2u << 12) | (uint)Random.Next(4) << 14 | (uint)packetBytes << 16);
        Machine.Memory.TryWrite(at + 12, 0u);
        Machine.Memory.TryWrite(at + 16, transfer);
        Machine.Memory.TryWrite(at + 20, Terminate);
        Machine.Memory.TryWrite(at + 24, 0u);
    }

    private void Control(int address, byte type, byte request, ushort value, ushort length)
    {
        Machine.Memory.TryWrite(Setups, type | ((ulong)request << 8) | ((ulong)value << 16) | ((ulong)Random.Next(4) << 32) | ((ulong)length << 48));
        bool isIn = (type & 0x80) != 0;
        uint first = Transfer(2, 8, Setups), last = first;
        if (length != 0) last = Follow(last, Transfer(isIn ? 1u : 0, length, Place()));
        Follow(last, Transfer(isIn && length != 0 ? 0u : 1, 0, 0));
        Put(Random.Next(1, AsyncCount), address, 0, 64, first);
    }

    private uint Follow(uint transfer, uint next)
    {
        Machine.Memory.TryWrite(transfer, next);
        return next;
    }

    // Its place is used again when as many others came after it.
    private uint Transfer(uint packet, int length, ulong buffer)
    {
        uint at = (uint)Transfers + ((uint)(_transfer++ % TransferCount) * 32);
        Machine.Memory.TryWrite(at, Random.Next(64) == 0 ? (uint)Value() : Terminate);
        Machine.Memory.TryWrite(at + 4, Random.Next(64) == 0 ? (uint)Value() : Terminate);
        Machine.Memory.TryWrite(at + 8, Active | (Random.Next(200) == 0 ? 3 : packet) << 8 | 3u << 10 | (uint)length << 16 | (uint)Random.Next(2) << 15);
        Machine.Memory.TryWrite(at + 12, (uint)buffer);
        for (uint page = 1; page < 5; page++) Machine.Memory.TryWrite(at + 12 + (page * 4), (uint)(buffer & ~0xffful) + (page * 0x1000));
        return at;
    }
}
