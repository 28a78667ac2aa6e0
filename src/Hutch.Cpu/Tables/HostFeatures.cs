using System.Runtime.Intrinsics.X86;
using Iced.Intel;

namespace Hutch.Cpu.Tables;

/// <summary>Which instruction set extensions guests may use: what the engine implements, where the host CPU has it.</summary>
internal static class HostFeatures
{
    private static readonly int Leaf1Ecx = X86Base.CpuId(1, 0).Ecx;
    private static readonly int Leaf7Ebx = X86Base.CpuId(7, 0).Ebx, Leaf7Ecx = X86Base.CpuId(7, 0).Ecx;
    private static readonly int ExtendedEcx = X86Base.CpuId(unchecked((int)0x8000_0001), 0).Ecx;

    // CPUID.0xd.0:EBX: bytes of the XSAVE area for what the operating system has enabled in XCR0 (Intel SDM 1 §13.2). AVX's part ends there.
    private const int AvxEnd = 832;

    /// <summary>
    /// The host CPU has AVX, and its operating system saves AVX state. Not <c>Avx.IsSupported</c>: that tells what C# was compiled for, which is less in a
    /// program that is compiled ahead of time.
    /// </summary>
    public static readonly bool Avx = Bit(Leaf1Ecx, 27) && Bit(Leaf1Ecx, 28) && X86Base.CpuId(0xd, 0).Ebx >= AvxEnd;

    /// <summary>Whether an extension that a form needs is there. Extensions of the basic architecture are always there.</summary>
    public static bool Has(CpuidFeature feature) => feature switch
    {
        CpuidFeature.INTEL8086 or CpuidFeature.INTEL186 or CpuidFeature.INTEL286 or CpuidFeature.INTEL386 or CpuidFeature.INTEL486 or CpuidFeature.X64 => true,
        CpuidFeature.FPU or CpuidFeature.FPU287 or CpuidFeature.FPU387 or CpuidFeature.MMX or CpuidFeature.FXSR or CpuidFeature.CMOV or CpuidFeature.CX8 => true,
        CpuidFeature.SSE or CpuidFeature.SSE2 or CpuidFeature.CLFSH or CpuidFeature.PAUSE or CpuidFeature.MULTIBYTENOP or CpuidFeature.CPUID => true,
        CpuidFeature.MSR or CpuidFeature.TSC or CpuidFeature.SYSCALL or CpuidFeature.SEP or CpuidFeature.SMAP or CpuidFeature.RDTSCP or CpuidFeature.INVPCID => true,
        CpuidFeature.FSGSBASE or CpuidFeature.RDPID or CpuidFeature.CET_IBT or CpuidFeature.PREFETCHW => true,
        CpuidFeature.SSE3 => Bit(Leaf1Ecx, 0),
        CpuidFeature.PCLMULQDQ => Bit(Leaf1Ecx, 1),
        CpuidFeature.SSSE3 => Bit(Leaf1Ecx, 9),
        CpuidFeature.FMA => Avx && Bit(Leaf1Ecx, 12),
        CpuidFeature.CMPXCHG16B => Bit(Leaf1Ecx, 13),
        CpuidFeature.SSE4_1 => Bit(Leaf1Ecx, 19),
        CpuidFeature.SSE4_2 => Bit(Leaf1Ecx, 20),
        CpuidFeature.MOVBE => Bit(Leaf1Ecx, 22),
        CpuidFeature.POPCNT => Bit(Leaf1Ecx, 23),
        CpuidFeature.AES => Bit(Leaf1Ecx, 25),
        CpuidFeature.RTM or CpuidFeature.HLE_or_RTM or CpuidFeature.CLZERO or CpuidFeature.MOVDIRI or CpuidFeature.MOVDIR64B or CpuidFeature.CLDEMOTE or CpuidFeature.PKU => true,
        CpuidFeature.SSE4A => Bit(ExtendedEcx, 6),
        CpuidFeature.XSAVE or CpuidFeature.XSAVEOPT or CpuidFeature.XSAVEC or CpuidFeature.XSAVES => Bit(Leaf1Ecx, 26),
        CpuidFeature.AVX => Avx,
        CpuidFeature.F16C => Avx && Bit(Leaf1Ecx, 29),
        CpuidFeature.RDRAND => Bit(Leaf1Ecx, 30),
        CpuidFeature.BMI1 => Bit(Leaf7Ebx, 3),
        CpuidFeature.AVX2 => Avx && Bit(Leaf7Ebx, 5),
        CpuidFeature.BMI2 => Bit(Leaf7Ebx, 8),
        CpuidFeature.RDSEED => Bit(Leaf7Ebx, 18),
        CpuidFeature.ADX => Bit(Leaf7Ebx, 19),
        CpuidFeature.CLFLUSHOPT => Bit(Leaf7Ebx, 23),
        CpuidFeature.CLWB => Bit(Leaf7Ebx, 24),
        CpuidFeature.SHA => Bit(Leaf7Ebx, 29),
        CpuidFeature.GFNI => Bit(Leaf7Ecx, 8),
        CpuidFeature.VAES => Avx && Bit(Leaf7Ecx, 9),
        CpuidFeature.VPCLMULQDQ => Avx && Bit(Leaf7Ecx, 10),
        CpuidFeature.LZCNT => Bit(ExtendedEcx, 5),
        _ => false,
    };

    private static bool Bit(int value, int bit) => (value >> bit & 1) != 0;
}
