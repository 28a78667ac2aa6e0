using System;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A guest with a driver of a command response buffer (TCG PC Client Platform TPM Profile 1.05 §6.5.3): commands with headers, started, cancelled, or neither.</summary>
internal sealed class TpmDriver(FuzzMachine machine, Random random) : FuzzDriver(machine, random)
{
    private const ulong Registers = 0xfed4_0000, LocalityControl = Registers + 8, Request = Registers + 0x40, Cancel = Registers + 0x48, Start = Registers + 0x4c, Buffer = Registers + 0x80;
    private const int HeaderBytes = 10, MostBytes = 3968;

    /// <inheritdoc/>
    private protected override void Begin()
    {
        Machine.Store(LocalityControl, 1, 4);
        Machine.Store(Request, 1, 4);
    }

    /// <inheritdoc/>
    private protected override void Drive()
    {
        switch (Random.Next(8))
        {
            case 0: Machine.Store(Cancel, (ulong)Random.Next(2), 4); break;
            case 1: Machine.Store(Request, (ulong)Random.Next(4), 4); break;
            case 2: Machine.Store(LocalityControl, (ulong)(Random.Next(4) == 0 ? 2 : 1), 4); break;
            case 3: _ = Machine.Load(Registers + ((ulong)Random.Next(0x400) * 4), 4); break;
            default:
                uint length = Random.Next(8) == 0 ? (uint)Value() : (uint)Random.Next(HeaderBytes, MostBytes);
                Machine.Store(Buffer, 0x8001 | (ulong)System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(length) << 16, 8);
                Machine.Store(Buffer + 8, Value(), 8);
                Machine.Store(Start, 1, 4);
                break;
        }
    }
}
