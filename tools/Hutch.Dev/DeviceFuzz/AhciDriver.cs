using System;
using System.Buffers.Binary;
using System.Threading;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A guest with an AHCI driver (AHCI 1.3.1 §4.2, §5.5): command lists, tables and packets that are mostly sound, in any order.</summary>
internal sealed class AhciDriver(FuzzMachine machine, Random random) : FuzzDriver(machine, random)
{
    private const int RegisterBar = 5, MostPorts = 3, SlotCount = 32, MostWaits = 100;
    private const ulong Lists = FuzzMachine.Arena, Tables = FuzzMachine.Arena + 0x1_0000, PortBytes = 0x8000, TableBytes = 0x200;

    private static ReadOnlySpan<byte> Commands =>
    [
        0x06, 0x08, 0x10, 0x20, 0x24, 0x25, 0x29, 0x2f, 0x30, 0x34, 0x35, 0x39, 0x3d, 0x40, 0x42, 0x47, 0x60, 0x61, 0x90, 0x91, 0xa0, 0xa1, 0xb0, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0xe0, 0xe1, 0xe5, 0xe7, 0xea, 0xec, 0xef, 0xf8,
    ];

    private static ReadOnlySpan<byte> Packets => [0x00, 0x03, 0x12, 0x1a, 0x1b, 0x1e, 0x23, 0x25, 0x28, 0x43, 0x46, 0x4a, 0x51, 0x52, 0x55, 0x5a, 0xa0, 0xa8, 0xad, 0xbe, 0xbd];

    /// <inheritdoc/>
    private protected override void Begin() => Machine.Store(Bar(RegisterBar) + 4, 1, 4);

    /// <inheritdoc/>
    private protected override void Drive()
    {
        int port = Random.Next(MostPorts);
        ulong registers = Bar(RegisterBar) + 0x100 + ((ulong)port * 0x80), list = Lists + ((ulong)port * PortBytes);
        switch (Random.Next(32))
        {
            case 0: Start(registers, list); break;
            case 1:
                _ = Machine.Load(registers + 0x10, 4);
                Machine.Store(registers + 0x10, ulong.MaxValue, 4);
                break;
            default:
                // A failed command halts the list, and an earlier story may have stopped it.
                if ((Machine.Load(registers + 0x20, 4) & 1) != 0 || (Machine.Load(registers + 0x18, 4) & 0x11) != 0x11) Start(registers, list);
                uint issued = 0;
                for (int count = Random.Next(1, 5); count > 0; count--)
                {
                    int slot = Random.Next(SlotCount);
                    Put(port, slot, list);
                    issued |= 1u << slot;
                }
                Machine.Store(registers + 0x34, issued, 4);
                Machine.Store(registers + 0x38, issued, 4);
                for (int i = Random.Next(MostWaits); i > 0 && Machine.Load(registers + 0x38, 4) != 0; i--) Thread.Yield();
                break;
        }
    }

    private void Start(ulong registers, ulong list)
    {
        Machine.Store(Bar(RegisterBar) + 4, 2, 4);
        Machine.Store(registers + 0x18, 0, 4);
        Machine.Store(registers, list, 8);
        Machine.Store(registers + 8, list + 0x400, 8);
        Machine.Store(registers + 0x30, ulong.MaxValue, 4);
        Machine.Store(registers + 0x18, 0x10, 4);
        Machine.Store(registers + 0x18, 0x11, 4);
    }

    private void Put(int port, int slot, ulong list)
    {
        ulong table = Tables + ((ulong)((port * SlotCount) + slot) * TableBytes);
        Span<byte> bytes = stackalloc byte[(int)TableBytes];
        bytes.Clear();
        byte command = Random.Next(16) == 0 ? (byte)Random.Next(256) : Commands[Random.Next(Commands.Length)];
        bytes[0] = (byte)(Random.Next(32) == 0 ? Random.Next(256) : 0x27);
        bytes[1] = (byte)(Random.Next(16) == 0 ? Random.Next(256) : 0x80);
        bytes[2] = command;
        // Registers of the command: features, LBA, count; a disk of 1 MiB has 2048 sectors.
        for (int at = 3; at < 16; at++) bytes[at] = (byte)(Random.Next(4) == 0 ? Random.Next(256) : 0);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[4..], (ushort)Random.Next(2100));
        bytes[7] = 0x40;
        // How much: in the features of queued commands, whose tag is in the count.
        bool isQueued = command is 0x60 or 0x61;
        if (Random.Next(8) != 0) (bytes[3], bytes[11], bytes[12], bytes[13]) = isQueued ? ((byte)Random.Next(1, 5), (byte)0, (byte)(slot << 3), (byte)0) : ((byte)0, (byte)0, (byte)Random.Next(1, 5), (byte)0);
        bytes[0x40] = Packets[Random.Next(Packets.Length)];
        for (int at = 0x41; at < 0x50; at++) bytes[at] = (byte)(Random.Next(3) == 0 ? Random.Next(256) : 0);
        int ranges = Random.Next(8) == 0 ? 0 : Random.Next(3, 7);
        for (int i = 0; i < ranges; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes[(0x80 + (i * 16))..], Place());
            BinaryPrimitives.WriteUInt32LittleEndian(bytes[(0x8c + (i * 16))..], Random.Next(2) == 0 ? 511 : Length() - 1);
        }
        Machine.Memory.TryCopyIn(table, bytes);
        Span<byte> header = stackalloc byte[32];
        header.Clear();
        uint flags = 5 | (command == 0xa0 || Random.Next(32) == 0 ? 0x20u : 0) | (Random.Next(2) == 0 ? 0x40u : 0) | (uint)(Random.Next(64) == 0 ? 0xffff : ranges) << 16;
        BinaryPrimitives.WriteUInt32LittleEndian(header, flags);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], Random.Next(64) == 0 ? Value() : table);
        Machine.Memory.TryCopyIn(list + ((ulong)slot * 32), header);
    }
}
