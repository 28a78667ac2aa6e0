using System;
using Hutch.Core.Interrupts;

namespace Hutch.Devices.Vfio;

/// <summary>The MSI capability of a device of the host as the guest writes it (PCI Local Bus 3.0 §6.8.1).</summary>
/// <param name="offset">Where it is in configuration space.</param>
/// <param name="control">Its message control register.</param>
internal sealed class VfioMsi(int offset, ushort control)
{
    private const ushort Enable = 1, Is64Bit = 1 << 7, HasMasks = 1 << 8;

    // The registers behind the control register: the address, its upper half, the data, the masks.
    private int DataOffset => offset + ((control & Is64Bit) != 0 ? 12 : 8);

    private int MaskOffset => DataOffset + 4;

    /// <summary>Where it is.</summary>
    internal int Offset => offset;

    /// <summary>How long a capability is.</summary>
    internal static int LengthOf(ushort control) => ((control & Is64Bit) != 0 ? 14 : 10) + ((control & HasMasks) != 0 ? 10 : 0);

    /// <summary>Tells which bits the guest may write: by register offset, one mask for each byte.</summary>
    internal void Open(Action<int, byte> makeWritable)
    {
        makeWritable(offset + 2, 0x71);
        makeWritable(offset + 4, 0xfc);
        for (int i = 5; i < DataOffset - offset; i++) makeWritable(offset + i, 0xff);
        makeWritable(DataOffset, 0xff);
        makeWritable(DataOffset + 1, 0xff);
        for (int i = 0; i < 4 && (control & HasMasks) != 0; i++) makeWritable(MaskOffset + i, 0xff);
    }

    /// <summary>How many vectors the guest has switched on; 0: none.</summary>
    internal int CountOf(Func<int, uint> read)
    {
        uint now = read(offset) >> 16;
        return (now & Enable) == 0 ? 0 : 1 << (int)Math.Min((now >> 4) & 7, Math.Min((control >> 1) & 7, 5));
    }

    /// <summary>A vector's message; null: it is masked.</summary>
    internal MsiMessage? MessageOf(int vector, int count, Func<int, uint> read)
    {
        if ((control & HasMasks) != 0 && (read(MaskOffset) & (1u << vector)) != 0) return null;
        ulong address = read(offset + 4) | ((control & Is64Bit) != 0 ? (ulong)read(offset + 8) << 32 : 0);
        return new MsiMessage(address, ((read(DataOffset) & 0xffff) & ~(uint)(count - 1)) | (uint)vector);
    }
}
