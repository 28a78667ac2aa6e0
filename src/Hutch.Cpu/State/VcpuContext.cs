using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hutch.Core.Engine;

namespace Hutch.Cpu.State;

/// <summary>
/// The state of one vCPU as translated code sees it, at gs:0. Native memory that every context area aliases (see
/// <see cref="ContextLayout"/>). Owned by the vCPU's thread; only <see cref="Request"/> byte 0 is written by others.
/// While translated code runs, guest registers live in host registers; every stub that enters C# writes them here first.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = ContextLayout.StateBytes)]
internal unsafe struct VcpuContext
{
    /// <summary>RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 … R15 (encoding order).</summary>
    [FieldOffset(0x000)] public fixed ulong Gpr[16];
    [FieldOffset(0x080)] public ulong Rip;

    /// <summary>Arithmetic flags only: CF PF AF ZF SF OF in their RFLAGS positions. The other bits are the byte fields and <see cref="SystemFlags"/>.</summary>
    [FieldOffset(0x088)] public ulong ArithmeticFlags;

    /// <summary>Not zero: translated code leaves to the dispatcher at the next poll. Byte 0 is set by any thread (<see cref="ExternalRequest"/>), byte 1 by the vCPU.</summary>
    [FieldOffset(0x090)] public uint Request;
    [FieldOffset(0x090)] public byte ExternalRequest;
    [FieldOffset(0x091)] public byte WindowRequest;

    /// <summary>RFLAGS.IF, 0 or 1.</summary>
    [FieldOffset(0x094)] public byte InterruptFlag;

    /// <summary>RFLAGS.DF, 0 or 1. The host's DF is always 0.</summary>
    [FieldOffset(0x095)] public byte DirectionFlag;

    /// <summary>RFLAGS.AC, 0 or 1.</summary>
    [FieldOffset(0x096)] public byte AlignmentCheck;

    /// <summary>1: guest x87/SSE/AVX state is in the host's registers; 0: it is in <see cref="XsaveOffset"/>. Always 0 while C# runs.</summary>
    [FieldOffset(0x097)] public byte VectorLoaded;

    /// <summary>1: an interrupt waits for IF; STI copies this byte to <see cref="WindowRequest"/>.</summary>
    [FieldOffset(0x098)] public byte MaskedInterrupt;

    /// <summary>Current privilege level.</summary>
    [FieldOffset(0x099)] public byte Cpl;

    /// <summary>1: interrupts are held off until one more instruction has completed (STI, MOV SS).</summary>
    [FieldOffset(0x09a)] public byte InterruptShadow;

    /// <summary>1: <see cref="ResumeTarget"/> is inside a block that uses vector state, so it must be loaded again on the way back.</summary>
    [FieldOffset(0x09b)] public byte ReloadVector;

    /// <summary>TF, IOPL, NT, RF, VM, ID (VIF and VIP are never set) in their RFLAGS positions.</summary>
    [FieldOffset(0x09c)] public uint SystemFlags;

    /// <summary>Where translated code parks live arithmetic flags: AH of LAHF in bits 8-15, OF in bit 0.</summary>
    [FieldOffset(0x0a0)] public ushort FlagSave;

    /// <summary>The current <see cref="BlockMode"/>.</summary>
    [FieldOffset(0x0a4)] public uint Mode;

    /// <summary>Spill slots for translated code inside one instruction.</summary>
    [FieldOffset(0x0a8)] public fixed ulong Spill[6];
    [FieldOffset(0x0d8)] public ulong HostRsp;

    /// <summary>R10 and R11 as they were at a stub's entry.</summary>
    [FieldOffset(0x0e0)] public ulong ScratchR10;
    [FieldOffset(0x0e8)] public ulong ScratchR11;

    /// <summary>Return address of a stub's call: the inline data of the site follows there.</summary>
    [FieldOffset(0x0f0)] public ulong SiteAddress;

    /// <summary>Host address of the current context area: what GS base holds in translated code.</summary>
    [FieldOffset(0x0f8)] public ulong ContextBase;

    /// <summary>PEXT mask for the jump cache (BMI2 hosts).</summary>
    [FieldOffset(0x100)] public ulong JumpCacheMask;

    /// <summary>GCHandle of the managed vCPU.</summary>
    [FieldOffset(0x108)] public nint VcpuHandle;

    /// <summary>Guest TSC = host TSC + this.</summary>
    [FieldOffset(0x110)] public ulong TscOffset;
    [FieldOffset(0x11c)] public uint HostMxcsr;

    /// <summary>Host address where translated code goes on after a callback.</summary>
    [FieldOffset(0x120)] public ulong ResumeTarget;

    /// <summary>What GS base holds now; differs from <see cref="ContextBase"/> after a CR3 load until translated code is resumed.</summary>
    [FieldOffset(0x128)] public ulong LoadedBase;

    /// <summary>ES, CS, SS, DS, FS, GS, LDTR, TR: 24 bytes each. FS and GS bases have no other home.</summary>
    [FieldOffset(0x180)] public SegmentArray Segments;
    [FieldOffset(0x240)] public TableState Gdtr;
    [FieldOffset(0x250)] public TableState Idtr;
    [FieldOffset(0x260)] public ulong Cr0;
    [FieldOffset(0x268)] public ulong Cr2;
    [FieldOffset(0x270)] public ulong Cr3;
    [FieldOffset(0x278)] public ulong Cr4;
    [FieldOffset(0x280)] public ulong Efer;
    [FieldOffset(0x288)] public ulong Xcr0;
    [FieldOffset(0x290)] public fixed ulong Dr[8];
    [FieldOffset(0x2d0)] public ulong KernelGsBase;
    [FieldOffset(0x2d8)] public ulong Star;
    [FieldOffset(0x2e0)] public ulong Lstar;
    [FieldOffset(0x2e8)] public ulong Cstar;
    [FieldOffset(0x2f0)] public ulong SyscallMask;
    [FieldOffset(0x2f8)] public ulong SysenterCs;
    [FieldOffset(0x300)] public ulong SysenterEsp;
    [FieldOffset(0x308)] public ulong SysenterEip;
    [FieldOffset(0x310)] public ulong TscAux;
    [FieldOffset(0x318)] public ulong ApicBase;

    /// <summary>NMIs are blocked until IRET.</summary>
    [FieldOffset(0x320)] public byte NmiBlocked;

    /// <summary>Offset of the XSAVE area (standard format, XCR0 = x87|SSE|AVX: 832 bytes), 64-byte aligned.</summary>
    public const int XsaveOffset = 0x800;

    /// <summary>RFLAGS as the architecture defines them.</summary>
    public ulong Rflags
    {
        readonly get => (ArithmeticFlags & Flags.Arithmetic) | SystemFlags | 2
            | ((ulong)InterruptFlag << 9) | ((ulong)DirectionFlag << 10) | ((ulong)AlignmentCheck << 18);
        set
        {
            ArithmeticFlags = value & Flags.Arithmetic;
            SystemFlags = (uint)(value & Flags.System);
            InterruptFlag = (byte)((value >> 9) & 1);
            DirectionFlag = (byte)((value >> 10) & 1);
            AlignmentCheck = (byte)((value >> 18) & 1);
        }
    }

    /// <summary>The XSAVE area.</summary>
    public byte* Xsave => (byte*)Unsafe.AsPointer(ref this) + XsaveOffset;
}

/// <summary>The eight segment registers.</summary>
[InlineArray(8)]
internal struct SegmentArray
{
    private SegmentState _first;
}

/// <summary>Indexes into <see cref="VcpuContext.Segments"/>: the hardware's order, then LDTR and TR.</summary>
internal enum Seg
{
    Es, Cs, Ss, Ds, Fs, Gs, Ldtr, Tr,
}

/// <summary>RFLAGS bits (Intel SDM 1 §3.4.3).</summary>
internal static class Flags
{
    public const ulong Cf = 1, Pf = 4, Af = 0x10, Zf = 0x40, Sf = 0x80, Tf = 0x100, If = 0x200, Df = 0x400, Of = 0x800;
    public const ulong Iopl = 0x3000, Nt = 0x4000, Rf = 0x10000, Vm = 0x20000, Ac = 0x40000, Vif = 0x80000, Vip = 0x100000, Id = 0x200000;
    public const ulong Arithmetic = Cf | Pf | Af | Zf | Sf | Of;
    public const ulong System = Tf | Iopl | Nt | Rf | Vm | Vif | Vip | Id;
}
