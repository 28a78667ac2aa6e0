using System;
using Hutch.Model.Processor;
using Iced.Intel;

namespace Hutch.Cpu.Tables;

/// <summary>
/// Which instruction forms the guests of one machine have: those of its features. LZCNT and TZCNT stay, because without their features they are BSR and BSF
/// with a prefix. Rights are found when first asked for and are the same whoever finds them, so threads need no lock.
/// </summary>
/// <param name="features">The machine's features; null: whatever the engine can execute.</param>
internal sealed class GuestForms(FeatureSet? features)
{
    private const byte Unknown = 0, Allowed = 1, Forbidden = 2;

    private static readonly (CpuidFeature Extension, CpuFeature Feature)[] Extensions =
    [
        (CpuidFeature.FPU, CpuFeature.Fpu), (CpuidFeature.FPU287, CpuFeature.Fpu), (CpuidFeature.FPU387, CpuFeature.Fpu), (CpuidFeature.MMX, CpuFeature.Mmx),
        (CpuidFeature.CMOV, CpuFeature.Cmov), (CpuidFeature.CX8, CpuFeature.Cx8), (CpuidFeature.FXSR, CpuFeature.Fxsr), (CpuidFeature.SSE, CpuFeature.Sse),
        (CpuidFeature.SSE2, CpuFeature.Sse2), (CpuidFeature.SSE3, CpuFeature.Pni), (CpuidFeature.SSSE3, CpuFeature.Ssse3), (CpuidFeature.SSE4_1, CpuFeature.Sse4_1),
        (CpuidFeature.SSE4_2, CpuFeature.Sse4_2), (CpuidFeature.SSE4A, CpuFeature.Sse4a), (CpuidFeature.AES, CpuFeature.Aes),
        (CpuidFeature.PCLMULQDQ, CpuFeature.Pclmulqdq), (CpuidFeature.SHA, CpuFeature.ShaNi), (CpuidFeature.GFNI, CpuFeature.Gfni), (CpuidFeature.AVX, CpuFeature.Avx),
        (CpuidFeature.AVX2, CpuFeature.Avx2), (CpuidFeature.FMA, CpuFeature.Fma), (CpuidFeature.F16C, CpuFeature.F16c), (CpuidFeature.VAES, CpuFeature.Vaes),
        (CpuidFeature.VPCLMULQDQ, CpuFeature.Vpclmulqdq), (CpuidFeature.CLFSH, CpuFeature.Clflush), (CpuidFeature.CLFLUSHOPT, CpuFeature.ClflushOpt),
        (CpuidFeature.CLWB, CpuFeature.Clwb), (CpuidFeature.CLZERO, CpuFeature.Clzero), (CpuidFeature.MSR, CpuFeature.Msr), (CpuidFeature.TSC, CpuFeature.Tsc),
        (CpuidFeature.RDTSCP, CpuFeature.Rdtscp), (CpuidFeature.RDPID, CpuFeature.Rdpid), (CpuidFeature.SYSCALL, CpuFeature.Syscall), (CpuidFeature.SEP, CpuFeature.Sep),
        (CpuidFeature.SMAP, CpuFeature.Smap), (CpuidFeature.INVPCID, CpuFeature.Invpcid), (CpuidFeature.FSGSBASE, CpuFeature.FsGsBase),
        (CpuidFeature.CMPXCHG16B, CpuFeature.Cx16), (CpuidFeature.MOVBE, CpuFeature.Movbe), (CpuidFeature.POPCNT, CpuFeature.Popcnt),
        (CpuidFeature.BMI1, CpuFeature.Bmi1), (CpuidFeature.BMI2, CpuFeature.Bmi2), (CpuidFeature.ADX, CpuFeature.Adx), (CpuidFeature.RDRAND, CpuFeature.Rdrand),
        (CpuidFeature.RDSEED, CpuFeature.Rdseed), (CpuidFeature.XSAVE, CpuFeature.Xsave), (CpuidFeature.XSAVEOPT, CpuFeature.XsaveOpt),
        (CpuidFeature.XSAVEC, CpuFeature.XsaveC), (CpuidFeature.XSAVES, CpuFeature.Xsaves), (CpuidFeature.RTM, CpuFeature.Rtm), (CpuidFeature.PKU, CpuFeature.Pku), (CpuidFeature.HLE_or_RTM, CpuFeature.Rtm),
        (CpuidFeature.MOVDIRI, CpuFeature.Movdiri), (CpuidFeature.MOVDIR64B, CpuFeature.Movdir64b),
    ];

    private readonly byte[] _rights = new byte[Enum.GetValues<Code>().Length];

    /// <summary>Everything that the engine can execute.</summary>
    public static GuestForms All { get; } = new(null);

    /// <summary>Whether guests have the forms of a code.</summary>
    public bool Has(Code code)
    {
        byte right = _rights[(int)code];
        if (right == Unknown) _rights[(int)code] = right = IsAllowed(code) ? Allowed : Forbidden;
        return right == Allowed;
    }

    /// <summary>The form of an instruction for these guests: undefined where they do not have it.</summary>
    public InstructionForm Get(in Instruction instruction) => Has(instruction.Code) ? InstructionTable.Get(instruction) : default;

    private bool IsAllowed(Code code)
    {
        if (features is null || code.Mnemonic() == Mnemonic.Tzcnt) return true;
        foreach (CpuidFeature extension in code.CpuidFeatures())
            foreach ((CpuidFeature known, CpuFeature feature) in Extensions)
                if (known == extension && !features[feature]) return false;
        return true;
    }
}
