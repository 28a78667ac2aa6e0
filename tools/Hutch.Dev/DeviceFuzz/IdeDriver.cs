using System;
using System.Buffers.Binary;
using System.Threading;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>
/// A guest with an IDE driver (ATA/ATAPI-6 §9; Programming Interface for Bus Master IDE Controller 1.0 §3): commands by programmed transfers and by bus master, packets, and tables of
/// regions that are mostly sound, in any order.
/// </summary>
internal sealed class IdeDriver(FuzzMachine machine, Random random) : FuzzDriver(machine, random)
{
    private const ushort ConfigAddress = 0xcf8, ConfigData = 0xcfc, MasterBase = 0xc000;
    private const uint Function = 0x8000_0900, CommandRegister = 0x04, MasterBar = 0x20;
    private const byte Busy = 0x80, DataRequest = 0x08, PacketCommand = 0xa0;
    private const ulong Tables = FuzzMachine.Arena, TableBytes = 0x100;
    private const int MostWaits = 100;

    private static ReadOnlySpan<byte> Commands =>
    [
        0x00, 0x08, 0x10, 0x20, 0x21, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x39, 0x40, 0x42, 0x90, 0x91, 0xa0, 0xa0, 0xa0, 0xa1, 0xb0, 0xc4, 0xc5, 0xc6, 0xc8, 0xc8, 0xca, 0xca, 0xe0, 0xe1, 0xe5, 0xe7, 0xea, 0xec, 0xef, 0xf8,
    ];

    private static ReadOnlySpan<byte> Packets => [0x00, 0x03, 0x12, 0x1b, 0x1e, 0x23, 0x25, 0x28, 0x28, 0x43, 0x46, 0x4a, 0x51, 0x52, 0x5a, 0xa8, 0xad, 0xbe];

    /// <inheritdoc/>
    private protected override void Begin()
    {
        Configure(MasterBar, MasterBase | 1, 4);
        Configure(CommandRegister, 5, 2);
    }

    /// <inheritdoc/>
    private protected override void Drive()
    {
        int channel = Random.Next(2);
        ushort block = (ushort)(channel == 0 ? 0x1f0 : 0x170), control = (ushort)(channel == 0 ? 0x3f6 : 0x376), master = (ushort)(MasterBase + (channel * 8));
        switch (Random.Next(64))
        {
            case 0:
                Machine.Out(control, 4, 1);
                Machine.Out(control, (uint)Random.Next(2) * 2, 1);
                break;
            case 1: Machine.Out(master, 0, 1); break;
            default:
                for (int i = MostWaits; i > 0 && (Machine.In(control, 1) & Busy) != 0; i--) Thread.Yield();
                if ((Machine.In(control, 1) & (Busy | DataRequest)) == DataRequest) Transfer(block);
                else Command(channel, block, master);
                break;
        }
    }

    private void Configure(uint register, uint value, int width)
    {
        Machine.Out(ConfigAddress, Function | register, 4);
        Machine.Out(ConfigData, value, width);
    }

    // Some words of what the drive wants or has; a packet, where it may want one.
    private void Transfer(ushort block)
    {
        if (Random.Next(2) == 0)
        {
            Span<byte> packet = stackalloc byte[12];
            packet.Clear();
            packet[0] = Packets[Random.Next(Packets.Length)];
            for (int at = 1; at < packet.Length; at++) packet[at] = (byte)(Random.Next(4) == 0 ? Random.Next(256) : 0);
            for (int at = 0; at < packet.Length; at += 2) Machine.Out(block, BinaryPrimitives.ReadUInt16LittleEndian(packet[at..]), 2);
            return;
        }
        bool reads = Random.Next(2) == 0;
        int width = Random.Next(4) == 0 ? 4 : 2;
        for (int i = Random.Next(16) == 0 ? Random.Next(40) : 512 / width; i > 0; i--)
        {
            if (reads) _ = Machine.In(block, width);
            else Machine.Out(block, (uint)Random.Next(), width);
        }
    }

    private void Command(int channel, ushort block, ushort master)
    {
        byte command = Random.Next(32) == 0 ? (byte)Random.Next(256) : Commands[Random.Next(Commands.Length)];
        // The second channel has the disc.
        uint device = (channel == 1 ? 0u : (uint)Random.Next(2) << 4) | 0xe0;
        Machine.Out((ushort)(block + 6), Random.Next(16) == 0 ? (uint)Random.Next(256) : device, 1);
        // Twice, for the registers of 48-bit commands hold two bytes each; a disk of 1 MiB has 2048 sectors.
        for (int high = Random.Next(2); high >= 0; high--)
        {
            Machine.Out((ushort)(block + 1), command == PacketCommand ? (uint)Random.Next(2) : (uint)Random.Next(16), 1);
            Machine.Out((ushort)(block + 2), high == 1 ? 0 : (uint)Random.Next(1, 9), 1);
            Machine.Out((ushort)(block + 3), high == 1 ? 0 : (uint)Random.Next(256), 1);
            Machine.Out((ushort)(block + 4), high == 1 ? 0 : (uint)Random.Next(9), 1);
            Machine.Out((ushort)(block + 5), Random.Next(16) == 0 ? (uint)Random.Next(256) : command == PacketCommand ? 8u : 0, 1);
        }
        bool isMaster = Random.Next(2) == 0;
        if (isMaster) PutTable(channel, master);
        if (isMaster && Random.Next(4) == 0) Machine.Out(master, (uint)(1 | (Random.Next(2) << 3)), 1);
        Machine.Out((ushort)(block + 7), command, 1);
        if (isMaster) Machine.Out(master, (uint)(1 | (Random.Next(2) << 3)), 1);
    }

    private void PutTable(int channel, ushort master)
    {
        Span<byte> table = stackalloc byte[(int)TableBytes];
        table.Clear();
        int count = Random.Next(1, 6);
        for (int i = 0; i < count; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(table[(i * 8)..], (uint)Place());
            uint length = Random.Next(2) == 0 ? 4096 : Length() & 0xffff;
            BinaryPrimitives.WriteUInt32LittleEndian(table[((i * 8) + 4)..], length | (i == count - 1 && Random.Next(32) != 0 ? 1u << 31 : 0));
        }
        ulong place = Tables + ((ulong)channel * 0x1000);
        Machine.Memory.TryCopyIn(place, table);
        Machine.Out(master, 0, 1);
        Machine.Out((ushort)(master + 4), Random.Next(64) == 0 ? (uint)Value() : (uint)place, 4);
        Machine.Out((ushort)(master + 2), 6, 1);
    }
}
