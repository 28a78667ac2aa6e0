using System;

namespace Hutch.Cpu.Msr;

/// <summary>
/// MTRRs and PAT (Intel SDM 3A §12.11, §12.12): 11 fixed and 8 variable ranges. Kept for the guest to read back; RAM here is always cached and
/// coherent, so they have no other effect.
/// </summary>
internal sealed class MemoryTypeRegisters
{
    /// <summary>IA32_MTRRCAP: 8 variable ranges, fixed ranges, write-combining.</summary>
    public const ulong Capabilities = VariableCount | (1 << 8) | (1 << 10);

    private const int VariableCount = 8;
    private const ulong PatAfterReset = 0x0007_0406_0007_0406, MaskValid = 1 << 11;

    private static readonly uint[] FixedIndexes = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];

    private readonly ulong[] _fixed = new ulong[FixedIndexes.Length], _bases = new ulong[VariableCount], _masks = new ulong[VariableCount];
    private readonly ulong _addressMask;
    private ulong _defaultType;

    /// <param name="physicalAddressBits">Bits above are reserved.</param>
    public MemoryTypeRegisters(int physicalAddressBits) => _addressMask = ((1UL << physicalAddressBits) - 1) & ~0xfffUL;

    /// <summary>IA32_PAT.</summary>
    public ulong Pat { get; private set; } = PatAfterReset;

    /// <summary>State after reset.</summary>
    public void Reset()
    {
        Array.Clear(_fixed);
        Array.Clear(_bases);
        Array.Clear(_masks);
        _defaultType = 0;
        Pat = PatAfterReset;
    }

    /// <summary>The indexes of all these registers but the capabilities, for saving.</summary>
    public static uint[] Indexes
    {
        get
        {
            uint[] all = [.. FixedIndexes, MsrIndex.Pat, MsrIndex.MtrrDefType, .. new uint[2 * VariableCount]];
            for (int i = 0; i < 2 * VariableCount; i++) all[^(i + 1)] = MsrIndex.MtrrPhysBase0 + (uint)i;
            return all;
        }
    }

    /// <summary>False: not one of these.</summary>
    public bool Read(uint index, out ulong value)
    {
        value = 0;
        int range = Array.IndexOf(FixedIndexes, index);
        if (range >= 0) value = _fixed[range];
        else if (index is >= MsrIndex.MtrrPhysBase0 and < MsrIndex.MtrrPhysBase0 + 2 * VariableCount)
            value = Variable(index);
        else if (index == MsrIndex.MtrrCap) value = Capabilities;
        else if (index == MsrIndex.MtrrDefType) value = _defaultType;
        else if (index == MsrIndex.Pat) value = Pat;
        else return false;
        return true;
    }

    /// <summary>False: not one of these, or a value that raises #GP.</summary>
    public bool Write(uint index, ulong value)
    {
        int range = Array.IndexOf(FixedIndexes, index);
        if (range >= 0) return Set(ref _fixed[range], value, AreTypes(value, isPat: false));
        if (index is >= MsrIndex.MtrrPhysBase0 and < MsrIndex.MtrrPhysBase0 + 2 * VariableCount)
        {
            bool isMask = (index & 1) != 0;
            bool valid = isMask ? (value & ~(_addressMask | MaskValid)) == 0 : (value & ~(_addressMask | 0xff)) == 0 && IsType((byte)value, isPat: false);
            return Set(ref Variable(index), value, valid);
        }
        if (index == MsrIndex.MtrrDefType) return Set(ref _defaultType, value, (value & ~0xcffUL) == 0 && IsType((byte)value, isPat: false));
        if (index != MsrIndex.Pat || !AreTypes(value, isPat: true)) return false;
        Pat = value;
        return true;
    }

    private ref ulong Variable(uint index)
    {
        int i = (int)(index - MsrIndex.MtrrPhysBase0) >> 1;
        return ref (index & 1) == 0 ? ref _bases[i] : ref _masks[i];
    }

    private static bool Set(ref ulong register, ulong value, bool valid)
    {
        if (valid) register = value;
        return valid;
    }

    private static bool AreTypes(ulong value, bool isPat)
    {
        for (int i = 0; i < 64; i += 8)
            if (!IsType((byte)(value >> i), isPat)) return false;
        return true;
    }

    // UC, WC, WT, WP, WB; PAT also UC-.
    private static bool IsType(byte type, bool isPat) => type is 0 or 1 or 4 or 5 or 6 || (isPat && type == 7);
}
