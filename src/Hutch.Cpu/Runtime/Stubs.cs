using Hutch.Cpu.State;
using Hutch.Cpu.Tables;

namespace Hutch.Cpu.Runtime;

/// <summary>
/// The code between C# and translated blocks, written once per vCPU at the start of its code cache. Every stub that calls C# first moves the
/// guest's registers, flags and (if loaded) vector state into the context, and resumes where the callback says, or leaves
/// <see cref="Enter"/> when it says 0.
/// </summary>
internal sealed unsafe class Stubs
{
    private const int Rax = 0, Rsi = 6, Rdi = 7, R10 = 10, R11 = 11, R15 = 15;

    // linux/arch/x86/include/uapi/asm/prctl.h and syscall_64.tbl.
    private const int ArchPrctl = 158, ArchSetGs = 0x1001;

    /// <summary>Guest registers that live in the host register of the same number.</summary>
    private static readonly byte[] Identity = [0, 1, 2, 3, 5, 6, 7, 8, 9, 12, 13, 14];

    private readonly ulong _execute;
    private readonly bool _writesGsBase;

    /// <summary>Writes the stubs.</summary>
    /// <param name="write">Where to.</param>
    /// <param name="execute">The other view of the same memory.</param>
    /// <param name="context">The vCPU's context.</param>
    /// <param name="callbacks">What the stubs call.</param>
    /// <param name="writesGsBase">Set GS base by WRGSBASE, which the kernel must allow; else by a system call.</param>
    public Stubs(byte* write, ulong execute, VcpuContext* context, in Callbacks callbacks, bool writesGsBase)
    {
        _execute = execute;
        _writesGsBase = writesGsBase;
        ulong state = (ulong)context;
        var w = new StubWriter(write);
        int resume = WriteResume(ref w);
        int leave = WriteLeave(ref w);
        Enter = execute + (ulong)WriteEnter(ref w, resume);
        Dispatch = WriteCallback(ref w, state, callbacks.Dispatch, resume, leave, hasSite: false);
        IndirectMiss = WriteCallback(ref w, state, callbacks.IndirectMiss, resume, leave, hasSite: false);
        Interpret = WriteCallback(ref w, state, callbacks.Interpret, resume, leave, hasSite: false);
        Link = WriteCallback(ref w, state, callbacks.Link, resume, leave, hasSite: true);
        SlowAccess = WriteCallback(ref w, state, callbacks.SlowAccess, resume, leave, hasSite: true);
        SlowAccessVector = WriteCallback(ref w, state, callbacks.SlowAccessVector, resume, leave, hasSite: true);
        LoadVector = execute + (ulong)w.Length;
        WriteLoadVector(ref w);
        Length = w.Length;
    }

    /// <summary>Addresses of the C# callbacks: <c>ulong f(VcpuContext*)</c>, the host address to resume at or 0.</summary>
    public struct Callbacks
    {
        public ulong Dispatch, IndirectMiss, Interpret, Link, SlowAccess, SlowAccessVector;
    }

    /// <summary>void Enter(contextBase, hostAddress): runs translated code until a callback returns 0.</summary>
    public ulong Enter { get; }

    public ulong Dispatch { get; }

    public ulong IndirectMiss { get; }

    public ulong Interpret { get; }

    public ulong Link { get; }

    public ulong SlowAccess { get; }

    public ulong SlowAccessVector { get; }

    public ulong LoadVector { get; }

    /// <summary>Bytes of all stubs.</summary>
    public int Length { get; }

    private static uint XsaveMask => HostFeatures.Avx ? 7u : 3u;

    // In: RAX = host address to resume at. Guest registers come from the context, R10 and R11 from their scratch slots.
    private int WriteResume(ref StubWriter w)
    {
        int start = w.Length;
        w.Store(ContextOffset.ResumeTarget, Rax);
        w.Load(Rsi, ContextOffset.ContextBase);
        w.Compare(Rsi, ContextOffset.LoadedBase);
        byte* same = w.JumpIf(zero: true);
        w.Store(ContextOffset.LoadedBase, Rsi);
        SetGsBase(ref w);
        w.Here(same);
        w.TestByte(ContextOffset.ReloadVector);
        byte* noVector = w.JumpIf(zero: true);
        w.StoreByte(ContextOffset.ReloadVector, 0);
        LoadVectorState(ref w);
        w.Here(noVector);
        w.Push(ContextOffset.ArithmeticFlags);
        w.Bytes(0x9d);                                               // popfq
        foreach (byte register in Identity) w.Load(register, ContextOffset.Gpr + register * 8);
        w.Load(R15, ContextOffset.Gpr + 4 * 8);
        w.Load(R10, ContextOffset.ScratchR10);
        w.Load(R11, ContextOffset.ScratchR11);
        w.JumpTo(ContextOffset.ResumeTarget);
        return start;
    }

    // Undoes Enter: RSP is as Enter left it.
    private static int WriteLeave(ref StubWriter w)
    {
        int start = w.Length;
        w.Bytes(0x48, 0x83, 0xc4, 0x08);                             // add rsp, 8
        w.Bytes(0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c);     // pop r15, r14, r13, r12
        w.Bytes(0x5b, 0x5d, 0xc3);                                   // pop rbx, rbp; ret
        return start;
    }

    private int WriteEnter(ref StubWriter w, int resume)
    {
        int start = w.Length;
        w.Bytes(0x55, 0x53);                                         // push rbp, rbx
        w.Bytes(0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57);     // push r12, r13, r14, r15
        w.Bytes(0x48, 0x83, 0xec, 0x08);                             // sub rsp, 8: aligned to 16
        w.Bytes(0x49, 0x89, 0xf4, 0x48, 0x89, 0xfe);                 // mov r12, rsi; mov rsi, rdi
        SetGsBase(ref w);
        w.Store(ContextOffset.LoadedBase, Rsi);
        w.Store(ContextOffset.HostRsp, 4);
        w.Bytes(0x4c, 0x89, 0xe0);                                   // mov rax, r12
        w.Jump(resume);
        return start;
    }

    // GS base = RSI. The system call loses RAX, RCX, RDI and R11.
    private void SetGsBase(ref StubWriter w)
    {
        if (_writesGsBase)
        {
            w.Bytes(0xf3, 0x48, 0x0f, 0xae, 0xde);                   // wrgsbase rsi
            return;
        }
        w.Bytes(0xbf);                                               // mov edi, imm32
        w.Imm32(ArchSetGs);
        w.Bytes(0xb8);                                               // mov eax, imm32
        w.Imm32(ArchPrctl);
        w.Bytes(0x0f, 0x05);                                         // syscall
    }

    private ulong WriteCallback(ref StubWriter w, ulong state, ulong function, int resume, int leave, bool hasSite)
    {
        ulong address = _execute + (ulong)w.Length;
        if (hasSite) w.Pop(ContextOffset.SiteAddress);
        foreach (byte register in Identity) w.Store(ContextOffset.Gpr + register * 8, register);
        w.Store(ContextOffset.Gpr + 4 * 8, R15);
        w.Store(ContextOffset.ScratchR10, R10);
        w.Store(ContextOffset.ScratchR11, R11);
        w.Bytes(0x9c, 0x58, 0x25);                                   // pushfq; pop rax; and eax, imm32
        w.Imm32((int)Flags.Arithmetic);
        w.Store(ContextOffset.ArithmeticFlags, Rax);
        w.TestByte(ContextOffset.VectorLoaded);
        byte* noVector = w.JumpIf(zero: true);
        SaveVectorState(ref w);
        w.Here(noVector);
        w.Move(Rdi, state);
        w.Move(Rax, function);
        w.Bytes(0xff, 0xd0, 0x48, 0x85, 0xc0, 0x0f, 0x84);           // call rax; test rax, rax; jz leave
        w.Imm32(leave - w.Length - 4);
        w.Jump(resume);
        return address;
    }

    private static void SaveVectorState(ref StubWriter w)
    {
        w.Bytes(0xb8);                                               // mov eax, mask
        w.Imm32((int)XsaveMask);
        w.Bytes(0x31, 0xd2);                                         // xor edx, edx
        w.Extended(0xae, 4, VcpuContext.XsaveOffset, wide: true);    // xsave64
        w.Bytes(0xdb, 0xe3);                                         // fninit
        w.Extended(0xae, 2, ContextOffset.HostMxcsr, wide: false);   // ldmxcsr
        if (HostFeatures.Avx) w.Bytes(0xc5, 0xf8, 0x77);             // vzeroupper
        w.StoreByte(ContextOffset.VectorLoaded, 0);
    }

    private static void LoadVectorState(ref StubWriter w)
    {
        w.Bytes(0xb8);                                               // mov eax, mask
        w.Imm32((int)XsaveMask);
        w.Bytes(0xba, 0, 0, 0, 0);                                   // mov edx, 0: flags must survive
        w.Extended(0xae, 5, VcpuContext.XsaveOffset, wide: true);    // xrstor64
        w.StoreByte(ContextOffset.VectorLoaded, 1);
    }

    private static void WriteLoadVector(ref StubWriter w)
    {
        w.Store(ContextOffset.ScratchR10, Rax);
        w.Store(ContextOffset.ScratchR11, 2);
        LoadVectorState(ref w);
        w.Load(Rax, ContextOffset.ScratchR10);
        w.Load(2, ContextOffset.ScratchR11);
        w.Bytes(0xc3);                                               // ret
    }

    /// <summary>Offsets of the context's fields that stubs use; a test holds them against <see cref="VcpuContext"/>.</summary>
    internal static class ContextOffset
    {
        public const int Gpr = 0x0, ResumeTarget = 0x120, ContextBase = 0xf8, LoadedBase = 0x128, ReloadVector = 0x9b, VectorLoaded = 0x97;
        public const int ArithmeticFlags = 0x88, ScratchR10 = 0xe0, ScratchR11 = 0xe8, HostRsp = 0xd8, HostMxcsr = 0x11c, SiteAddress = 0xf0;
    }
}
