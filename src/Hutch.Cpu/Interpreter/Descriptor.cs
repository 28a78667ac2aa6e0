using Hutch.Core.Engine;

namespace Hutch.Cpu.Interpreter;

/// <summary>An 8-byte segment or gate descriptor (Intel SDM 3A §3.4.5, §5.8.3) and where it came from.</summary>
internal readonly struct Descriptor(ulong raw, ulong address)
{
    /// <summary>System descriptor types (S clear).</summary>
    public const int Tss16 = 1, Ldt = 2, BusyTss16 = 3, CallGate16 = 4, TaskGate = 5, InterruptGate16 = 6, TrapGate16 = 7;

    /// <summary>System descriptor types of 32 and 64 bits.</summary>
    public const int Tss32 = 9, BusyTss32 = 11, CallGate32 = 12, InterruptGate32 = 14, TrapGate32 = 15;

    public ulong Raw => raw;

    /// <summary>Linear address of the descriptor.</summary>
    public ulong Address => address;

    public int Type => (int)(raw >> 40) & 15;

    /// <summary>S: a code or data segment.</summary>
    public bool IsSegment => (raw >> 44 & 1) != 0;

    public int Dpl => (int)(raw >> 45) & 3;

    public bool Present => (raw >> 47 & 1) != 0;

    public bool IsCode => (raw >> 43 & 3) == 3;

    public bool IsConforming => (raw >> 42 & 7) == 7;

    /// <summary>A data segment that can be written.</summary>
    public bool IsWritableData => (raw >> 40 & 0x1a) == 0x12;

    /// <summary>A data segment, or a code segment that can be read.</summary>
    public bool IsReadable => IsSegment && (!IsCode || (raw >> 41 & 1) != 0);

    /// <summary>L: 64-bit code.</summary>
    public bool IsLong => (raw >> 53 & 1) != 0;

    /// <summary>D/B.</summary>
    public bool IsBig => (raw >> 54 & 1) != 0;

    public ulong Base => (raw >> 16 & 0xff_ffff) | (raw >> 32 & 0xff00_0000);

    /// <summary>Limit in bytes.</summary>
    public uint Limit
    {
        get
        {
            uint limit = (uint)(raw & 0xffff) | (uint)(raw >> 32 & 0xf_0000);
            return (raw >> 55 & 1) != 0 ? (limit << 12) | 0xfff : limit;
        }
    }

    /// <summary>Selector in a gate.</summary>
    public ushort GateSelector => (ushort)(raw >> 16);

    /// <summary>Offset in a gate: 32 bits (16-bit gates use the low half).</summary>
    public uint GateOffset => (uint)(raw & 0xffff) | (uint)(raw >> 32 & 0xffff_0000);

    /// <summary>Words to copy, in a call gate.</summary>
    public int GateCount => (int)(raw >> 32) & 31;

    /// <summary>The segment register that loading this descriptor gives, with the accessed bit set.</summary>
    public SegmentState ToSegment(int selector) => new()
    {
        Base = Base,
        Limit = Limit,
        Attributes = ((uint)(raw >> 40) & 0xf0ff) | (IsSegment ? 1u : 0),
        Selector = (ushort)selector,
    };
}
