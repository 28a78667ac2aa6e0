using System;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A guest with a UHCI driver (UHCI 1.1 §3): it enables ports, gives addresses, and hangs transfers into queues and frames, of which the most are sound.</summary>
internal sealed class UhciDriver(FuzzMachine machine, Random random) : FuzzDriver(machine, random)
{
    private const ulong List = FuzzMachine.Arena, Queues = List + 0x1000, Transfers = List + 0x2000, Setups = List + 0x3000;
    private const int QueueCount = 8, TransferCount = 64, Frames = 1024, Addresses = 3;
    private const uint Terminate = 1, IsQueue = 2, DepthFirst = 4, Active = 1 << 23, ThreeErrors = 3 << 27;

    private int _transfer;

    private ushort Base => (ushort)Bar(4);

    /// <inheritdoc/>
    private protected override void Begin()
    {
        UnmaskPins();
        Start();
    }

    /// <inheritdoc/>
    private protected override void Drive()
    {
        if ((Machine.In(Base, 2) & 1) == 0 || Random.Next(500) == 0) Start();
        switch (Random.Next(16))
        {
            case 0: Enable(Random.Next(2)); break;
            case 1: Control((byte)Random.Next(Addresses), 0x00, 5, (ushort)Random.Next(Addresses), 0); break;
            case 2: Control((byte)Random.Next(Addresses), 0x00, 9, 1, 0); break;
            case 3: Machine.Memory.TryWrite(List + ((ulong)Random.Next(Frames) * 4), Random.Next(4) == 0 ? (uint)Value() : Random.Next(2) == 0 ? TransferAt(Random.Next(TransferCount)) : QueueAt(Random.Next(QueueCount))); break;
            case 4: Machine.Memory.TryWrite(Queues + ((ulong)Random.Next(QueueCount) * 16), Random.Next(8) == 0 ? (uint)Value() : QueueAt(Random.Next(QueueCount))); break;
            case 5: Machine.Out((ushort)(Base + 2), 0x3f, 2); break;
            case 6: Machine.Out((ushort)(Base + (2 * Random.Next(10))), (uint)Value(), 2); break;
            case < 11:
                byte type = ((ReadOnlySpan<byte>)[0x80, 0x00, 0x81, 0x01, 0x21, 0xa1, 0x02, 0x82, 0xff])[Random.Next(9)];
                Control((byte)Random.Next(Addresses), type, (byte)Random.Next(16), (ushort)(Random.Next(64) << 8 | Random.Next(4)), (ushort)(Length() & 0x3ff));
                break;
            default:
                Hang(1, Put(Packet(0x69), Random.Next(Addresses), Random.Next(8) == 0 ? Random.Next(16) : 1, Random.Next(8) == 0 ? (int)(Length() & 0x7ff) : 8, Place()));
                break;
        }
        Machine.Time.Advance(Random.Next(4) * 500_000L);
    }

    private static uint QueueAt(int index) => (uint)Queues + ((uint)index * 16) | IsQueue;

    private static uint TransferAt(int index) => (uint)Transfers + ((uint)index * 16);

    private byte Packet(byte wanted) => Random.Next(200) == 0 ? (byte)Random.Next(256) : wanted;

    private void Start()
    {
        Machine.Out(Base, 2, 2);
        for (ulong frame = 0; frame < Frames; frame++) Machine.Memory.TryWrite(List + (frame * 4), QueueAt((int)(frame % 4)));
        for (int i = 0; i < QueueCount; i++)
        {
            Machine.Memory.TryWrite(Queues + ((ulong)i * 16), i < 4 ? QueueAt(4) : i == QueueCount - 1 ? Terminate : QueueAt(i + 1));
            Machine.Memory.TryWrite(Queues + ((ulong)i * 16) + 4, Terminate);
        }
        Machine.Out((ushort)(Base + 8), (uint)List, 4);
        Machine.Out((ushort)(Base + 4), 0xf, 2);
        Machine.Out(Base, 0xc1, 2);
        for (int port = 0; port < 2; port++) Enable(port);
    }

    private void Enable(int port)
    {
        ushort register = (ushort)(Base + 0x10 + (2 * port));
        Machine.Out(register, 0x200, 2);
        Machine.Out(register, 0, 2);
        Machine.Out(register, 6, 2);
    }

    private void Control(byte address, byte type, byte request, ushort value, ushort length)
    {
        Machine.Memory.TryWrite(Setups, type | ((ulong)request << 8) | ((ulong)value << 16) | ((ulong)Random.Next(4) << 32) | ((ulong)length << 48));
        bool isIn = (type & 0x80) != 0;
        uint first = Put(Packet(0x2d), address, 0, 8, Setups), last = first;
        for (int done = 0; done < length; done += 64) last = Follow(last, Put(Packet(isIn ? (byte)0x69 : (byte)0xe1), address, 0, Math.Min(64, length - done), Place()));
        Follow(last, Put(Packet(isIn && length != 0 ? (byte)0xe1 : (byte)0x69), address, 0, 0, 0));
        Hang(Random.Next(2, QueueCount), first);
    }

    private uint Follow(uint transfer, uint next)
    {
        Machine.Memory.TryWrite(transfer, next | (Random.Next(4) == 0 ? 0 : DepthFirst));
        return next;
    }

    private void Hang(int queue, uint transfer) => Machine.Memory.TryWrite(Queues + ((ulong)queue * 16) + 4, transfer);

    // Its place is used again when as many others came after it.
    private uint Put(byte packet, int address, int endpoint, int length, ulong buffer)
    {
        uint at = TransferAt(_transfer++ % TransferCount);
        Machine.Memory.TryWrite(at, Random.Next(64) == 0 ? (uint)Value() : Terminate);
        Machine.Memory.TryWrite(at + 4, Active | ThreeErrors | (uint)Random.Next(8) << 24 | (Random.Next(4) == 0 ? 1u << 29 : 0));
        Machine.Memory.TryWrite(at + 8, packet | (uint)address << 8 | (uint)endpoint << 15 | ((uint)(length - 1) & 0x7ff) << 21);
        Machine.Memory.TryWrite(at + 12, (uint)buffer);
        return at;
    }
}
