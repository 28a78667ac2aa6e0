using Hutch.Core.Engine;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm.State;

/// <summary>A segment register between the kernel's form, a byte for each field, and the descriptor's bits of the common record.</summary>
internal static class SegmentMapping
{
    private const uint Unusable = 1 << 16;

    /// <summary>Packs the attributes.</summary>
    internal static SegmentState FromKvm(in KvmSegment segment) => new()
    {
        Base = segment.Base,
        Limit = segment.Limit,
        Selector = segment.Selector,
        Attributes = (segment.Type & 0xfu) | Bit(segment.System, 4) | ((segment.Dpl & 3u) << 5) | Bit(segment.Present, 7) | Bit(segment.Available, 12)
            | Bit(segment.Long, 13) | Bit(segment.Big, 14) | Bit(segment.Granularity, 15) | (segment.Unusable != 0 ? Unusable : 0),
    };

    /// <summary>Unpacks them.</summary>
    internal static KvmSegment ToKvm(in SegmentState segment) => new()
    {
        Base = segment.Base,
        Limit = segment.Limit,
        Selector = segment.Selector,
        Type = (byte)(segment.Attributes & 0xf),
        System = At(segment, 4),
        Dpl = (byte)((segment.Attributes >> 5) & 3),
        Present = At(segment, 7),
        Available = At(segment, 12),
        Long = At(segment, 13),
        Big = At(segment, 14),
        Granularity = At(segment, 15),
        Unusable = (segment.Attributes & Unusable) != 0 ? (byte)1 : (byte)0,
    };

    private static uint Bit(byte value, int bit) => value != 0 ? 1u << bit : 0;

    private static byte At(in SegmentState segment, int bit) => (byte)((segment.Attributes >> bit) & 1);
}
