using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading;
using Hutch.Tests.Devices.Virtio;

namespace Hutch.Tests.Devices.Ide;

/// <summary>A driver for one drive of a channel, as a guest has one: region table at 1 MiB, data of the bus master at 4 MiB.</summary>
internal sealed class IdeDriver(TestMachine machine, int channel, int unit)
{
    internal const ulong Data = 0x40_0000;
    private const uint Table = 0x10_0000;

    private ushort Command => (ushort)(channel == 0 ? 0x1f0 : 0x170);

    private ushort Control => (ushort)(channel == 0 ? 0x3f6 : 0x376);

    internal ushort Master => (ushort)((machine.ReadPortConfig(1, 1, 0x20) & 0xfffc) + (8 * channel));

    internal int Irq => 14 + channel;

    internal bool HasInterrupt => machine.Gsi[Irq];

    internal byte this[int register]
    {
        get => (byte)machine.In((ushort)(Command + register), 1);
        set => machine.Out((ushort)(Command + register), value, 1);
    }

    /// <summary>The status without its effect on the interrupt; writing is the device control register.</summary>
    internal byte Alternate
    {
        get => (byte)machine.In(Control, 1);
        set => machine.Out(Control, value, 1);
    }

    internal void Select(byte more = 0xe0) => this[6] = (byte)(more | (unit << 4));

    /// <summary>Writes the registers of a 48-bit command, and the command.</summary>
    internal void Issue(byte command, ulong lba = 0, int count = 0, ushort features = 0)
    {
        Select();
        for (int high = 1; high >= 0; high--)
        {
            this[1] = (byte)(features >> (8 * high));
            this[2] = (byte)(count >> (8 * high));
            for (int i = 0; i < 3; i++) this[3 + i] = (byte)(lba >> (8 * (i + (3 * high))));
        }
        this[7] = command;
    }

    /// <summary>Waits until the drive is not busy, and reads the status, which takes the interrupt.</summary>
    internal byte Wait()
    {
        Until(() => (Alternate & 0x80) == 0);
        return this[7];
    }

    internal byte Run(byte command, ulong lba = 0, int count = 0, ushort features = 0)
    {
        Issue(command, lba, count, features);
        return Wait();
    }

    /// <summary>Reads through the data port as long as the drive has data.</summary>
    internal byte[] ReadData(int most = int.MaxValue)
    {
        List<byte> data = [];
        Until(() => (Alternate & 0x80) == 0);
        while ((Alternate & 0x88) == 8 && data.Count < most)
        {
            uint word = machine.In(Command, 2);
            data.Add((byte)word);
            data.Add((byte)(word >> 8));
            Until(() => (Alternate & 0x80) == 0);
        }
        return [.. data];
    }

    internal void WriteData(ReadOnlySpan<byte> data)
    {
        for (int i = 0; i < data.Length; i += 4)
        {
            Until(() => (Alternate & 0x80) == 0);
            machine.Out(Command, BinaryPrimitives.ReadUInt32LittleEndian(data[i..]), 4);
        }
    }

    /// <summary>A packet command with programmed data; returns status and error.</summary>
    internal (byte Status, byte Error) Packet(out byte[] data, ushort limit, params byte[] packet)
    {
        Issue(0xa0, (ulong)limit << 8);
        WriteData([.. packet, .. new byte[12 - packet.Length]]);
        data = ReadData();
        return (Wait(), this[1]);
    }

    /// <summary>Prepares the bus master: regions of these lengths, one behind the other.</summary>
    internal void PrepareMaster(params int[] lengths)
    {
        ulong at = Data;
        for (int i = 0; i < lengths.Length; i++)
        {
            machine.Memory.TryWrite(Table + ((ulong)i * 8), (uint)at);
            machine.Memory.TryWrite(Table + ((ulong)i * 8) + 4, (uint)(lengths[i] & 0xffff) | (i == lengths.Length - 1 ? 1u << 31 : 0));
            at += (ulong)lengths[i];
        }
        machine.Out((ushort)(Master + 4), Table, 4);
        machine.Out((ushort)(Master + 2), 6, 1);
    }

    /// <summary>Runs a command by the bus master; returns status, and its status.</summary>
    internal (byte Status, byte Master) RunMaster(byte command, ulong lba, int count, bool toMemory, ushort features = 0)
    {
        Issue(command, lba, count, features);
        machine.Out(Master, toMemory ? 9u : 1u, 1);
        byte status = Wait(), master = (byte)machine.In((ushort)(Master + 2), 1);
        machine.Out(Master, 0, 1);
        machine.Out((ushort)(Master + 2), 6, 1);
        return (status, master);
    }

    internal void Reset()
    {
        Alternate = 4;
        Alternate = 0;
        Until(() => (Alternate & 0x80) == 0);
    }

    /// <summary>Waits for the worker. The limit only ends a test that has failed.</summary>
    internal static void Until(Func<bool> done)
    {
        if (!SpinWait.SpinUntil(done, TimeSpan.FromSeconds(20))) throw new TimeoutException("The controller did not answer.");
    }
}
