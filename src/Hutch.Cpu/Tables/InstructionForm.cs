using System;

namespace Hutch.Cpu.Tables;

/// <summary>How an instruction form is executed.</summary>
internal enum InstructionClass : byte
{
    /// <summary>Not offered to guests: #UD.</summary>
    Undefined,

    /// <summary>
    /// Depends only on general, flag and vector registers and at most one explicit memory operand, and cannot fault on the host once that operand's
    /// address is good: host and guest semantics are the same, so it is copied (translator) or run by the host executor (interpreter).
    /// </summary>
    PassThrough,

    /// <summary>As <see cref="PassThrough"/>, but #DE is possible: DIV and IDIV.</summary>
    Divide,

    /// <summary>Has semantics of its own in the interpreter; the translator may have its own form too.</summary>
    Special,

    /// <summary>
    /// The host executor executes it as for <see cref="PassThrough"/>, but with code of its own, because it may fault on the host, touches memory
    /// that depends on data, or changes what <see cref="State.BlockMode"/> depends on. The translator leaves it to the interpreter or has its own form.
    /// </summary>
    Assisted,
}

/// <summary>What else interpreter and translator must know of a form.</summary>
[Flags]
internal enum FormTraits : ushort
{
    None = 0,

    /// <summary>Reads or writes XMM/YMM/MXCSR state.</summary>
    Vector = 1,

    /// <summary>Reads or writes x87 or MMX state.</summary>
    X87 = 2,

    /// <summary>VEX encoded: needs AVX state enabled (CR4.OSXSAVE, XCR0), except the BMI forms, which set neither this nor <see cref="Vector"/>.</summary>
    Avx = 4,

    /// <summary>Legacy SSE: needs CR4.OSFXSR.</summary>
    Sse = 8,

    /// <summary>Can raise a floating-point exception: goes to the interpreter in strict mode.</summary>
    FpArithmetic = 16,

    /// <summary>The memory operand must be aligned to its size (16 or 32 bytes), else #GP(0).</summary>
    Aligned = 32,

    /// <summary>Memory operand is read.</summary>
    Reads = 64,

    /// <summary>Memory operand is written.</summary>
    Writes = 128,

    /// <summary>
    /// BT, BTS, BTR, BTC with a memory operand and a register bit offset: the operand is at the effective address plus the signed offset divided by
    /// the operand's bits, times its bytes (Intel SDM 2A, BT).
    /// </summary>
    BitString = 256,

    /// <summary>Does nothing that a guest could see (NOP, ENDBR, PAUSE, prefetches): may be skipped.</summary>
    NoEffect = 512,

    /// <summary>An x87 or MMX instruction that first delivers a pending unmasked x87 exception.</summary>
    Waits = 1024,
}

/// <summary>The classification of one Iced Code, and what the data side of it needs.</summary>
/// <param name="Class">How it is executed.</param>
/// <param name="Traits">What else must be known.</param>
/// <param name="MemorySize">Bytes of the explicit memory operand; 0: there is none, or it is not accessed (LEA, NOP, prefetches), or the class knows.</param>
internal readonly record struct InstructionForm(InstructionClass Class, FormTraits Traits, byte MemorySize);
