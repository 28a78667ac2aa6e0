using Hutch.Cpu.State;

namespace Hutch.Cpu.Translate;

/// <summary>Host register numbers and the places in the context that translated code addresses through GS.</summary>
internal static class HostState
{
    public const int Rax = 0, Rcx = 1, Rdx = 2, Rbx = 3, Rsp = 4, Rbp = 5, Rsi = 6, Rdi = 7, R10 = 10, R11 = 11, R15 = 15;

    /// <summary>Where the guest's RSP lives.</summary>
    public const int GuestRsp = R15;

    /// <summary>Guest registers that live in the context: R10, R11, R15.</summary>
    public const uint ResidentMask = 1u << 10 | 1u << 11 | 1u << 15;

    /// <summary>Guest registers that are not in the host register of the same number.</summary>
    public const uint RemappedMask = ResidentMask | 1u << Rsp;

    public const int Gpr = 0x000, Request = 0x090, WindowRequest = 0x091, InterruptFlag = 0x094, DirectionFlag = 0x095, AlignmentCheck = 0x096;
    public const int VectorLoaded = 0x097, MaskedInterrupt = 0x098, SystemFlags = 0x09c, FlagSave = 0x0a0, Mode = 0x0a4, Spill = 0x0a8;
    public const int JumpCacheMask = 0x100, TscOffset = 0x110, Segments = 0x180, SegmentBytes = 24, KernelGsBase = 0x2d0, TscAux = 0x310;
    public const int FsBase = Segments + (int)Seg.Fs * SegmentBytes, GsBase = Segments + (int)Seg.Gs * SegmentBytes;

    /// <summary>Condition codes as Jcc encodes them.</summary>
    public const int Below = 2, AboveOrEqual = 3, Equal = 4, NotEqual = 5, BelowOrEqual = 6, Above = 7;

    /// <summary>Offset of a guest register in the context.</summary>
    public static int GprOffset(int guest) => Gpr + guest * 8;

    /// <summary>Displacement of a field of the TLB entry that R10 indexes.</summary>
    public static int TlbField(AccessMode mode, int field) => ContextLayout.Tlb + (int)mode * ContextLayout.TlbStride + field;

    /// <summary>Displacement of the jump cache slot of a constant target.</summary>
    public static int JumpSlot(AccessMode mode, ulong rip) =>
        JumpCache(mode) + ContextLayout.JumpSlot(rip);

    /// <summary>Displacement of a jump cache.</summary>
    public static int JumpCache(AccessMode mode) => ContextLayout.JumpCache + (int)mode * ContextLayout.JumpCacheStride;
}
