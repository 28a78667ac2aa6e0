using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Hutch.Kvm.Abi;

/// <summary>struct kvm_regs (asm/kvm.h): not in the order of the encoding.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmRegs
{
    public ulong Rax, Rbx, Rcx, Rdx, Rsi, Rdi, Rsp, Rbp;
    public ulong R8, R9, R10, R11, R12, R13, R14, R15;
    public ulong Rip, Rflags;
}

/// <summary>struct kvm_segment (asm/kvm.h): the descriptor's bits one by one.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmSegment
{
    public ulong Base;

    /// <summary>In bytes, scaled.</summary>
    public uint Limit;

    public ushort Selector;
    public byte Type;
    public byte Present, Dpl, Big, System, Long, Granularity, Available;
    public byte Unusable;
    private readonly byte _padding;
}

/// <summary>struct kvm_dtable (asm/kvm.h).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmTable
{
    public ulong Base;
    public ushort Limit;
    private readonly ushort _padding0, _padding1, _padding2;
}

/// <summary>struct kvm_sregs (asm/kvm.h).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmSregs
{
    public KvmSegment Cs, Ds, Es, Fs, Gs, Ss, Tr, Ldt;
    public KvmTable Gdt, Idt;
    public ulong Cr0, Cr2, Cr3, Cr4, Cr8, Efer, ApicBase;

    /// <summary>interrupt_bitmap: at most one bit, the external interrupt that was being delivered.</summary>
    public Bitmap Interrupts;

    /// <summary>256 bits.</summary>
    [InlineArray(4)]
    internal struct Bitmap
    {
        private ulong _first;
    }
}

/// <summary>struct kvm_debugregs (asm/kvm.h).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmDebugRegs
{
    public ulong Dr0, Dr1, Dr2, Dr3, Dr6, Dr7, Flags;
    private readonly ulong _r0, _r1, _r2, _r3, _r4, _r5, _r6, _r7, _r8;
}

/// <summary>struct kvm_xcrs (asm/kvm.h), with the one register that there is.</summary>
[StructLayout(LayoutKind.Sequential, Size = 392)]
internal struct KvmXcrs
{
    /// <summary>Registers that follow.</summary>
    public uint Count;

    public uint Flags;

    /// <summary>Number of the first register: 0.</summary>
    public uint Index;

    private readonly uint _reserved;

    /// <summary>XCR0.</summary>
    public ulong Xcr0;
}

/// <summary>struct kvm_vcpu_events (asm/kvm.h): what is being delivered or waits for delivery.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
internal struct KvmVcpuEvents
{
    [FieldOffset(0)] public byte ExceptionInjected;
    [FieldOffset(1)] public byte ExceptionVector;
    [FieldOffset(2)] public byte ExceptionHasError;
    [FieldOffset(3)] public byte ExceptionPending;
    [FieldOffset(4)] public uint ExceptionError;
    [FieldOffset(8)] public byte InterruptInjected;
    [FieldOffset(9)] public byte InterruptVector;
    [FieldOffset(10)] public byte InterruptSoft;

    /// <summary>1: behind MOV SS, 2: behind STI.</summary>
    [FieldOffset(11)] public byte InterruptShadow;

    [FieldOffset(12)] public byte NmiInjected;
    [FieldOffset(13)] public byte NmiPending;
    [FieldOffset(14)] public byte NmiMasked;
    [FieldOffset(16)] public uint SipiVector;

    /// <summary>Which parts are valid.</summary>
    [FieldOffset(20)] public uint Flags;

    [FieldOffset(27)] public byte LatchedInit;
    [FieldOffset(28)] public byte TripleFaultPending;

    /// <summary>KVM_VCPUEVENT_VALID_.</summary>
    internal const uint ValidNmiPending = 1, ValidSipiVector = 2, ValidShadow = 4, ValidTripleFault = 0x20;

    /// <summary>KVM_X86_SHADOW_INT_MOV_SS and _STI.</summary>
    internal const byte ShadowMovSs = 1, ShadowSti = 2;
}

/// <summary>struct kvm_mp_state (linux/kvm.h) on x86.</summary>
internal enum KvmMpState : uint
{
    /// <summary>Executing.</summary>
    Runnable = 0,

    /// <summary>An application processor before INIT.</summary>
    Uninitialized = 1,

    /// <summary>Waits for a start-up IPI.</summary>
    InitReceived = 2,

    /// <summary>In HLT.</summary>
    Halted = 3,

    /// <summary>Has got its start-up IPI.</summary>
    SipiReceived = 4,
}

/// <summary>struct kvm_msr_entry (asm/kvm.h).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmMsrEntry
{
    public uint Index;
    private readonly uint _reserved;
    public ulong Value;
}

/// <summary>struct kvm_cpuid_entry2 (asm/kvm.h): one leaf.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmCpuidEntry
{
    public uint Leaf;
    public uint Subleaf;

    /// <summary>Bit 0: the subleaf counts.</summary>
    public uint Flags;

    public uint Eax, Ebx, Ecx, Edx;
    private readonly uint _padding0, _padding1, _padding2;

    /// <summary>KVM_CPUID_FLAG_SIGNIFCANT_INDEX.</summary>
    internal const uint SubleafCounts = 1;
}
