using System;
using System.Buffers.Binary;
using Hutch.Core.Bus;

namespace Hutch.Devices.Pci;

/// <summary>A range of registers that are 32 bits wide.</summary>
internal interface IWordRegisters
{
    /// <summary>Reads the register at an offset that is a multiple of four.</summary>
    uint ReadRegister(int register);
}

/// <summary>Accesses to <see cref="IWordRegisters"/> that are narrower or wider than one.</summary>
internal static class WordRegisters
{
    /// <summary>Reads one register, a part of one, or two in their order. The device's lock is held.</summary>
    /// <param name="device">The registers.</param>
    /// <param name="offset">Where; a multiple of the length, or it is refused.</param>
    /// <param name="data">1, 2, 4 or 8 bytes.</param>
    internal static BusStatus Read(IWordRegisters device, ulong offset, Span<byte> data)
    {
        if (offset % (ulong)data.Length != 0) return BusStatus.BadWidth;
        Span<byte> word = stackalloc byte[sizeof(uint)];
        for (int done = 0; done < data.Length; done += sizeof(uint))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(word, device.ReadRegister(((int)offset & ~3) + done));
            ReadOnlySpan<byte> part = data.Length < sizeof(uint) ? word.Slice((int)offset & 3, data.Length) : word;
            part.CopyTo(data[done..]);
        }
        return BusStatus.Handled;
    }
}
