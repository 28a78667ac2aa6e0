using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Tests.Devices.Virtio;

namespace Hutch.Tests.Devices.Ahci;

/// <summary>A driver for one port, as a guest has one: command list at 1 MiB, received FISes behind it, tables at 1.5 MiB, data where the test wants it.</summary>
internal sealed class AhciDriver
{
    internal const ulong Data = 0x40_0000;
    private const ulong List = 0x10_0000, Fis = 0x10_1000, Tables = 0x18_0000;
    private readonly TestMachine _machine;
    private readonly ulong _port;

    internal AhciDriver(TestMachine machine, int slot, int port)
    {
        _machine = machine;
        Base = machine.ReadConfig(slot, 0x24) & ~0xfu;
        _port = Base + 0x100 + ((ulong)port * 0x80);
        Start();
    }

    internal ulong Base { get; }

    internal uint this[int register]
    {
        get => (uint)_machine.Load(_port + (ulong)register, 4);
        set => _machine.Store(_port + (ulong)register, value, 4);
    }

    /// <summary>Stops the list, waits for it, and starts it anew.</summary>
    internal void Start()
    {
        this[0x18] = 0;
        Wait(() => (this[0x18] & 0x8000) == 0);
        this[0x00] = (uint)List;
        this[0x04] = 0;
        this[0x08] = (uint)Fis;
        this[0x0c] = 0;
        this[0x30] = this[0x10] = uint.MaxValue;
        this[0x18] = 0x10;
        this[0x18] = 0x11;
    }

    /// <summary>Writes a command into a slot: its FIS, and one range of data.</summary>
    internal void Put(int slot, byte command, ulong lba, int count, uint bytes, byte device = 0x40, ushort features = 0, ReadOnlySpan<byte> packet = default)
    {
        ulong table = Tables + ((ulong)slot * 0x100);
        byte[] bytesOfTable = new byte[0x90];
        bytesOfTable[0] = 0x27;
        bytesOfTable[1] = 0x80;
        bytesOfTable[2] = command;
        bytesOfTable[3] = (byte)features;
        bytesOfTable[11] = (byte)(features >> 8);
        for (int i = 0; i < 3; i++)
        {
            bytesOfTable[4 + i] = (byte)(lba >> (8 * i));
            bytesOfTable[8 + i] = (byte)(lba >> (24 + (8 * i)));
        }
        bytesOfTable[7] = device;
        BinaryPrimitives.WriteUInt16LittleEndian(bytesOfTable.AsSpan(12), (ushort)count);
        packet.CopyTo(bytesOfTable.AsSpan(0x40));
        BinaryPrimitives.WriteUInt64LittleEndian(bytesOfTable.AsSpan(0x80), Data + ((ulong)slot << 16));
        BinaryPrimitives.WriteUInt32LittleEndian(bytesOfTable.AsSpan(0x8c), bytes - 1);
        _machine.Memory.TryCopyIn(table, bytesOfTable);
        byte[] header = new byte[32];
        BinaryPrimitives.WriteUInt32LittleEndian(header, 5u | (packet.IsEmpty ? 0 : 0x20u) | (bytes == 0 ? 0 : 0x1_0000u));
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), table);
        _machine.Memory.TryCopyIn(List + ((ulong)slot * 32), header);
    }

    /// <summary>Executes what is in slot 0; returns status in the low byte and error above it.</summary>
    internal uint Run()
    {
        this[0x38] = 1;
        Wait(() => (this[0x38] & 1) == 0 || (this[0x10] & 0x6000_0000) != 0);
        uint taskFile = this[0x20];
        if ((taskFile & 1) != 0) Start();
        else this[0x10] = uint.MaxValue;
        return taskFile;
    }

    internal uint Run(byte command, ulong lba = 0, int count = 0, uint bytes = 0, byte device = 0x40, ushort features = 0)
    {
        Put(0, command, lba, count, bytes, device, features);
        return Run();
    }

    internal uint Packet(uint bytes, params byte[] packet)
    {
        Put(0, 0xa0, 0, 0, bytes, features: 1, packet: packet);
        return Run();
    }

    internal byte[] Read(int count, int slot = 0)
    {
        byte[] data = new byte[count];
        _machine.Memory.TryCopyOut(Data + ((ulong)slot << 16), data);
        return data;
    }

    internal uint Moved => _machine.Memory.TryRead(List + 4, out uint moved) ? moved : 0;

    internal byte[] ReceivedFis(int place)
    {
        byte[] fis = new byte[20];
        _machine.Memory.TryCopyOut(Fis + (ulong)place, fis);
        return fis;
    }

    /// <summary>Waits for the worker. The limit only ends a test that has failed.</summary>
    internal static void Wait(Func<bool> done)
    {
        if (!SpinWait.SpinUntil(done, TimeSpan.FromSeconds(20))) throw new TimeoutException("The controller did not answer.");
    }
}
