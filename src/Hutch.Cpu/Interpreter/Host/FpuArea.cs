using Hutch.Cpu.State;
using Hutch.Cpu.Tables;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter.Host;

/// <summary>
/// Fields of the XSAVE area in a context (Intel SDM 1 §13.4): legacy region, header, AVX region. The contents of every component are valid whatever
/// XSTATE_BV says; who changes some calls <see cref="MarkUsed"/>.
/// </summary>
internal static unsafe class FpuArea
{
    public const int Fcw = 0, Fsw = 2, Ftw = 4, Fop = 6, Fip = 8, Fdp = 16, Mxcsr = 24, MxcsrMask = 28, Stack = 32, Xmm = 160, LegacyBytes = 512, Header = 512, YmmHigh = 576, Bytes = 832;

    /// <summary>PKRU is a component of guests' areas only, behind AVX as on AMD's processors; the context has it elsewhere.</summary>
    public const int PkruComponent = 9, Pkru = Bytes, PkruBytes = 8;

    /// <summary>MXCSR bits that every guest may set.</summary>
    public const uint MxcsrWritable = 0xffff;

    /// <summary>MXCSR.MM, a feature of AMD's: SSE operands need no alignment (AMD APM 1 §4.4.3).</summary>
    public const uint MisalignedMode = 1 << 17;

    /// <summary>Value of FCW, FTW (abridged) and MXCSR after initialisation.</summary>
    public const ushort InitialFcw = 0x37f;
    public const uint InitialMxcsr = 0x1f80;

    /// <summary>The field at an offset.</summary>
    public static ref T At<T>(VcpuContext* c, int offset) where T : unmanaged => ref *(T*)(c->Xsave + offset);

    /// <summary>Misaligned-SSE mode is on and holds for the instruction: not for the moves that are there to be aligned.</summary>
    public static bool AllowsMisaligned(VcpuContext* c, in Instruction i) => (At<uint>(c, Mxcsr) & MisalignedMode) != 0
        && i.Mnemonic is not (Mnemonic.Movaps or Mnemonic.Movapd or Mnemonic.Movdqa or Mnemonic.Movntps or Mnemonic.Movntpd or Mnemonic.Movntdq or Mnemonic.Movntdqa);

    /// <summary>An unmasked x87 exception waits to be raised by the next waiting instruction.</summary>
    public static bool ExceptionPending(VcpuContext* c) => (At<ushort>(c, Fsw) & ~At<ushort>(c, Fcw) & 0x3f) != 0;

    /// <summary>Number of the register at the top of the x87 stack.</summary>
    public static int Top(VcpuContext* c) => (At<ushort>(c, Fsw) >> 11) & 7;

    /// <summary>Makes control and status word, just copied from memory, what the processor makes of them: reserved bits fixed, ES and B derived.</summary>
    public static void NormaliseX87(VcpuContext* c)
    {
        At<ushort>(c, Fcw) = (ushort)((At<ushort>(c, Fcw) & 0x1f3f) | 0x40);
        At<ushort>(c, Fsw) = (ushort)((At<ushort>(c, Fsw) & 0x7f7f) | (ExceptionPending(c) ? 0x8080 : 0));
        At<byte>(c, Ftw + 1) = 0;
        for (int n = 0; n < 8; n++) new System.Span<byte>(c->Xsave + Stack + n * 16 + 10, 6).Clear();
    }

    /// <summary>The components that the host can save and load: x87, SSE and, where there is AVX, that.</summary>
    public static ulong Components => HostFeatures.Avx ? 7u : 3u;

    /// <summary>All components hold data of their own.</summary>
    public static void MarkUsed(VcpuContext* c) => At<ulong>(c, Header) |= Components;

    /// <summary>
    /// Makes an area that came from outside (a saved state) one that XRSTOR takes without a fault, whatever it held: contents of absent components are
    /// initial, and what the architecture reserves is zero.
    /// </summary>
    public static void Adopt(VcpuContext* c, uint mxcsrWritable)
    {
        ulong present = At<ulong>(c, Header) & Components;
        if ((present & 1) == 0) InitialiseX87(c);
        if ((present & 2) == 0) new System.Span<byte>(c->Xsave + Xmm, 256).Clear();
        if ((present & 4) == 0) new System.Span<byte>(c->Xsave + YmmHigh, 256).Clear();
        new System.Span<byte>(c->Xsave + Header, YmmHigh - Header).Clear();
        At<ulong>(c, Header) = present;
        At<uint>(c, Mxcsr) &= mxcsrWritable;
        NormaliseX87(c);
    }

    /// <summary>
    /// Sets the last instruction and data pointers. Like AMD's processors we keep them only while an exception is pending; what the host left there are
    /// its own addresses, which no guest may see.
    /// </summary>
    public static void SetPointers(VcpuContext* c, ushort opcode, ulong instruction, ulong data)
    {
        bool keep = ExceptionPending(c);
        At<ushort>(c, Fop) = keep ? opcode : (ushort)0;
        At<ulong>(c, Fip) = keep ? instruction : 0;
        At<ulong>(c, Fdp) = keep ? data : 0;
    }

    /// <summary>Clears the pointers unless an exception is pending: called before the guest can read them.</summary>
    public static void DropStalePointers(VcpuContext* c)
    {
        if (!ExceptionPending(c)) SetPointers(c, 0, 0, 0);
    }

    /// <summary>FINIT's state of the x87 component.</summary>
    public static void InitialiseX87(VcpuContext* c)
    {
        new System.Span<byte>(c->Xsave, Mxcsr).Clear();
        new System.Span<byte>(c->Xsave + Stack, Xmm - Stack).Clear();
        At<ushort>(c, Fcw) = InitialFcw;
    }

    /// <summary>The low half of an XMM or YMM register.</summary>
    public static byte* XmmRegister(VcpuContext* c, int number) => c->Xsave + Xmm + number * 16;

    /// <summary>The upper half of a YMM register.</summary>
    public static byte* YmmUpper(VcpuContext* c, int number) => c->Xsave + YmmHigh + number * 16;
}
