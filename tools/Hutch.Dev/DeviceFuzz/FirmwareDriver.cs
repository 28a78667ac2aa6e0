using System;
using System.Buffers.Binary;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A guest that uses the firmware configuration device's DMA (QEMU docs/specs/fw_cfg), flash commands, and the bridges by ports.</summary>
internal sealed class FirmwareDriver(FuzzMachine machine, Random random) : FuzzDriver(machine, random)
{
    private const ulong Flash = 0x1_0000_0000 - (128 << 10) - (64 << 10);

    /// <inheritdoc/>
    private protected override void Drive()
    {
        switch (Random.Next(4))
        {
            case 0: Transfer(); break;
            case 1: Machine.Store(Flash + (ulong)Random.Next(64 << 10), ((ReadOnlySpan<byte>)[0x10, 0x20, 0x40, 0x50, 0x70, 0x90, 0x98, 0xd0, 0xe8, 0xff])[Random.Next(10)], 1); break;
            case 2:
                Machine.Out(0xcf8, 0x8000_0000 | (uint)(Random.Next(2) == 0 ? 0 : (31 << 11) | (Random.Next(4) << 8)) | ((uint)Random.Next(0x100) & ~3u), 4);
                Machine.Out((ushort)(0xcfc + Random.Next(4)), (uint)Value(), 1);
                break;
            default: Machine.Store(0xc_0000 + (ulong)Random.Next(0x4_0000), Value(), 1 << Random.Next(4)); break;
        }
    }

    private void Transfer()
    {
        ulong block = Place();
        Span<byte> command = stackalloc byte[16];
        BinaryPrimitives.WriteUInt32BigEndian(command, (uint)Random.Next(64) | (uint)Random.Next(0x30) << 16);
        BinaryPrimitives.WriteUInt32BigEndian(command[4..], Length());
        BinaryPrimitives.WriteUInt64BigEndian(command[8..], Place());
        Machine.Memory.TryCopyIn(block, command);
        Machine.Out(0x514, BinaryPrimitives.ReverseEndianness((uint)(block >> 32)), 4);
        Machine.Out(0x518, BinaryPrimitives.ReverseEndianness((uint)block), 4);
    }
}
