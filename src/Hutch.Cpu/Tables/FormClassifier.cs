using System;
using Iced.Intel;

namespace Hutch.Cpu.Tables;

/// <summary>
/// Decides the <see cref="InstructionForm"/> of a Code. A form is let through to the host only when it is named here or belongs to an extension whose
/// every form is known not to fault; everything else is interpreted or undefined. Runs once for each form.
/// </summary>
internal static class FormClassifier
{
    private static readonly InstructionInfoFactory InfoFactory = new();

    /// <summary>Classifies the form that <paramref name="instruction"/> is one of.</summary>
    public static InstructionForm Classify(in Instruction instruction)
    {
        Code code = instruction.Code;
        InstructionClass @class = ClassOf(instruction);
        if (@class == InstructionClass.Undefined) return new InstructionForm(@class, FormTraits.None, 0);
        FormTraits traits = StateTraits(code);
        if (HasNoEffect(instruction.Mnemonic)) return new InstructionForm(InstructionClass.PassThrough, FormTraits.NoEffect, 0);
        int memory = InstructionTable.MemoryOperandIndex(instruction);
        int size = memory < 0 ? 0 : instruction.MemorySize.GetSize();
        if (memory >= 0) traits |= Access(instruction, memory);
        // From memory, these do not use the MMX registers, so no x87 exception is due.
        if (memory >= 0 && instruction.Mnemonic is (Mnemonic.Cvtpi2ps or Mnemonic.Cvtpi2pd)) traits &= ~FormTraits.Waits;
        // AMD's processors read four bytes here, and no host access may go beyond what was checked.
        if (memory >= 0 && code == Code.Movsxd_r16_rm16) size = 4;
        if ((traits & (FormTraits.Reads | FormTraits.Writes)) == 0 || size > byte.MaxValue) size = 0;
        if (NeedsAlignment(instruction, size)) traits |= FormTraits.Aligned;
        if (memory == 0 && IsBitTest(instruction.Mnemonic) && instruction.Op1Kind == OpKind.Register) traits |= FormTraits.BitString;
        return new InstructionForm(@class, traits, (byte)size);
    }

    private static InstructionClass ClassOf(in Instruction instruction)
    {
        Code code = instruction.Code;
        EncodingKind encoding = code.Encoding();
        if (encoding is not (EncodingKind.Legacy or EncodingKind.VEX) || IsUndefined(code)) return InstructionClass.Undefined;
        foreach (CpuidFeature feature in code.CpuidFeatures())
            if (!HostFeatures.Has(feature)) return InstructionClass.Undefined;
        if (IsAssisted(instruction.Mnemonic)) return InstructionClass.Assisted;
        if (instruction.Mnemonic is Mnemonic.Div or Mnemonic.Idiv) return InstructionClass.Divide;
        bool passes = UsesExtension(code.CpuidFeatures()) ? !IsSpecialExtension(instruction.Mnemonic) : IsPlainInteger(instruction);
        return passes ? InstructionClass.PassThrough : InstructionClass.Special;
    }

    // Encodings that hold for other processors only, or exist to fault.
    private static bool IsUndefined(Code code) => code is Code.INVALID or Code.DeclareByte or Code.DeclareWord or Code.DeclareDword or Code.DeclareQword
        or Code.Zero_bytes or Code.Popw_CS or Code.Ud0 or Code.Ud0_r16_rm16 or Code.Ud0_r32_rm32 or Code.Ud0_r64_rm64
        or Code.Ud1_r16_rm16 or Code.Ud1_r32_rm32 or Code.Ud1_r64_rm64 or Code.Ud2;

    // Extensions with no form that looks at privilege, mode or implicit memory, except what IsSpecialExtension names.
    private static bool UsesExtension(CpuidFeature[] features)
    {
        foreach (CpuidFeature feature in features)
            switch (feature)
            {
                case CpuidFeature.INTEL8086 or CpuidFeature.INTEL186 or CpuidFeature.INTEL286 or CpuidFeature.INTEL386 or CpuidFeature.INTEL486 or CpuidFeature.X64:
                case CpuidFeature.CPUID or CpuidFeature.MSR or CpuidFeature.TSC or CpuidFeature.SYSCALL or CpuidFeature.SEP or CpuidFeature.SMAP:
                case CpuidFeature.RDTSCP or CpuidFeature.INVPCID or CpuidFeature.FSGSBASE or CpuidFeature.RDPID:
                case CpuidFeature.XSAVE or CpuidFeature.XSAVEOPT or CpuidFeature.XSAVEC or CpuidFeature.RTM or CpuidFeature.HLE_or_RTM or CpuidFeature.PKU:
                    return false;
            }
        return true;
    }

    private static bool IsSpecialExtension(Mnemonic mnemonic) => mnemonic is Mnemonic.Fsetpm or Mnemonic.Frstpm;

    private static bool IsAssisted(Mnemonic mnemonic) => mnemonic is Mnemonic.Maskmovq or Mnemonic.Maskmovdqu or Mnemonic.Vmaskmovdqu
        or Mnemonic.Vmaskmovps or Mnemonic.Vmaskmovpd or Mnemonic.Vpmaskmovd or Mnemonic.Vpmaskmovq
        or Mnemonic.Vgatherdps or Mnemonic.Vgatherdpd or Mnemonic.Vgatherqps or Mnemonic.Vgatherqpd
        or Mnemonic.Vpgatherdd or Mnemonic.Vpgatherdq or Mnemonic.Vpgatherqd or Mnemonic.Vpgatherqq
        or Mnemonic.Fldcw or Mnemonic.Fldenv or Mnemonic.Frstor or Mnemonic.Fnsave or Mnemonic.Fnstenv
        or Mnemonic.Fxsave or Mnemonic.Fxsave64 or Mnemonic.Fxrstor or Mnemonic.Fxrstor64
        or Mnemonic.Xsave or Mnemonic.Xsave64 or Mnemonic.Xsaveopt or Mnemonic.Xsaveopt64 or Mnemonic.Xsavec or Mnemonic.Xsavec64 or Mnemonic.Xrstor or Mnemonic.Xrstor64
        or Mnemonic.Xsaves or Mnemonic.Xsaves64 or Mnemonic.Xrstors or Mnemonic.Xrstors64 or Mnemonic.Clzero or Mnemonic.Movdiri or Mnemonic.Movdir64b
        or Mnemonic.Ldmxcsr or Mnemonic.Vldmxcsr or Mnemonic.Wait or Mnemonic.Xlatb;

    private static bool HasNoEffect(Mnemonic mnemonic) => mnemonic is Mnemonic.Nop or Mnemonic.Pause or Mnemonic.Endbr32 or Mnemonic.Endbr64
        or Mnemonic.Reservednop or Mnemonic.Cldemote or Mnemonic.Prefetch or Mnemonic.Prefetchw or Mnemonic.Prefetchnta
        or Mnemonic.Prefetcht0 or Mnemonic.Prefetcht1 or Mnemonic.Prefetcht2;

    // The integer instructions of the basic architecture that read and write general registers, arithmetic flags and one explicit memory operand only.
    private static bool IsPlainInteger(in Instruction instruction)
    {
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Mov:
                return instruction.Code is not (Code.Mov_rm16_Sreg or Code.Mov_r32m16_Sreg or Code.Mov_r64m16_Sreg
                    or Code.Mov_Sreg_rm16 or Code.Mov_Sreg_r32m16 or Code.Mov_Sreg_r64m16 or Code.Mov_r32_cr or Code.Mov_r64_cr or Code.Mov_cr_r32 or Code.Mov_cr_r64
                    or Code.Mov_r32_dr or Code.Mov_r64_dr or Code.Mov_dr_r32 or Code.Mov_dr_r64 or Code.Mov_r32_tr or Code.Mov_tr_r32);
            case Mnemonic.Add or Mnemonic.Or or Mnemonic.Adc or Mnemonic.Sbb or Mnemonic.And or Mnemonic.Sub or Mnemonic.Xor or Mnemonic.Cmp or Mnemonic.Test:
            case Mnemonic.Not or Mnemonic.Neg or Mnemonic.Inc or Mnemonic.Dec or Mnemonic.Mul or Mnemonic.Imul:
            case Mnemonic.Movzx or Mnemonic.Movsx or Mnemonic.Movsxd or Mnemonic.Lea or Mnemonic.Xchg or Mnemonic.Xadd or Mnemonic.Cmpxchg:
            case Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc or Mnemonic.Bsf or Mnemonic.Bsr or Mnemonic.Bswap:
            case Mnemonic.Rol or Mnemonic.Ror or Mnemonic.Rcl or Mnemonic.Rcr or Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr or Mnemonic.Sar:
            case Mnemonic.Shld or Mnemonic.Shrd or Mnemonic.Cbw or Mnemonic.Cwde or Mnemonic.Cdqe or Mnemonic.Cwd or Mnemonic.Cdq or Mnemonic.Cqo:
            case Mnemonic.Lahf or Mnemonic.Sahf or Mnemonic.Clc or Mnemonic.Stc or Mnemonic.Cmc:
            case Mnemonic.Seto or Mnemonic.Setno or Mnemonic.Setb or Mnemonic.Setae or Mnemonic.Sete or Mnemonic.Setne or Mnemonic.Setbe or Mnemonic.Seta:
            case Mnemonic.Sets or Mnemonic.Setns or Mnemonic.Setp or Mnemonic.Setnp or Mnemonic.Setl or Mnemonic.Setge or Mnemonic.Setle or Mnemonic.Setg:
                return true;
            default:
                return HasNoEffect(instruction.Mnemonic);
        }
    }

    private static FormTraits StateTraits(Code code)
    {
        FormTraits traits = FormTraits.None;
        OpCodeInfo info = code.ToOpCode();
        bool vex = info.Encoding == EncodingKind.VEX;
        for (int i = 0; i < info.OpCount; i++)
        {
            string kind = info.GetOpKind(i).ToString();
            if (kind.StartsWith("xmm", StringComparison.Ordinal) || kind.StartsWith("ymm", StringComparison.Ordinal) || kind.Contains("_vsib", StringComparison.Ordinal))
                traits |= FormTraits.Vector;
            if (kind.StartsWith("mm_", StringComparison.Ordinal)) traits |= FormTraits.X87 | FormTraits.Waits | FormTraits.FpArithmetic;
        }
        Mnemonic mnemonic = info.Mnemonic;
        if (mnemonic is Mnemonic.Ldmxcsr or Mnemonic.Stmxcsr or Mnemonic.Vldmxcsr or Mnemonic.Vstmxcsr) traits |= FormTraits.Vector | FormTraits.FpArithmetic;
        if (mnemonic is Mnemonic.Vzeroall or Mnemonic.Vzeroupper) traits |= FormTraits.Vector;
        if (mnemonic is Mnemonic.Fxsave or Mnemonic.Fxsave64 or Mnemonic.Fxrstor or Mnemonic.Fxrstor64) return FormTraits.X87 | FormTraits.Vector;
        if ((traits & FormTraits.Vector) != 0) traits |= vex ? FormTraits.Avx : FormTraits.Sse;
        if ((traits & FormTraits.Vector) != 0 && IsFpArithmetic(mnemonic)) traits |= FormTraits.FpArithmetic;
        if (mnemonic == Mnemonic.Emms || IsX87(code)) traits |= X87Traits(mnemonic);
        return traits;
    }

    private static bool IsX87(Code code)
    {
        foreach (CpuidFeature feature in code.CpuidFeatures())
            if (feature is CpuidFeature.FPU or CpuidFeature.FPU287 or CpuidFeature.FPU387) return true;
        return code == Code.Wait;
    }

    private static FormTraits X87Traits(Mnemonic mnemonic) => mnemonic switch
    {
        Mnemonic.Fnstcw or Mnemonic.Fnstsw or Mnemonic.Fneni or Mnemonic.Fndisi or Mnemonic.Fnsetpm => FormTraits.X87,
        Mnemonic.Fninit or Mnemonic.Fnclex or Mnemonic.Fnsave or Mnemonic.Fnstenv => FormTraits.X87 | FormTraits.FpArithmetic,
        _ => FormTraits.X87 | FormTraits.FpArithmetic | FormTraits.Waits,
    };

    // SSE and AVX instructions with a SIMD floating-point exception in their manual page.
    private static bool IsFpArithmetic(Mnemonic mnemonic)
    {
        string name = mnemonic.ToString();
        ReadOnlySpan<char> stem = name[0] == 'V' ? name.AsSpan(1) : name;
        foreach (string prefix in (ReadOnlySpan<string>)["add", "sub", "mul", "div", "sqrt", "min", "max", "cmp", "comis", "ucomis", "cvt", "round", "dpp", "hadd", "hsub",
            "fmadd", "fmsub", "fnmadd", "fnmsub"])
            if (stem.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)) return true;
        return false;
    }

    private static FormTraits Access(in Instruction instruction, int operand)
    {
        // The factory caches inside itself, and forms are classified on every vCPU's thread.
        lock (InfoFactory)
        {
            OpAccess access = InfoFactory.GetInfo(instruction).GetOpAccess(operand);
            return access switch
            {
                OpAccess.Read or OpAccess.CondRead => FormTraits.Reads,
                OpAccess.Write or OpAccess.CondWrite => FormTraits.Writes,
                OpAccess.ReadWrite or OpAccess.ReadCondWrite => FormTraits.Reads | FormTraits.Writes,
                _ => FormTraits.None,
            };
        }
    }

    // Intel SDM 2A §2.4 tables of exception types 1 and 4, and the exceptions among the legacy forms.
    private static bool NeedsAlignment(in Instruction instruction, int size)
    {
        if (size < 16) return false;
        if (instruction.Code.Encoding() == EncodingKind.VEX)
            return instruction.Mnemonic is Mnemonic.Vmovaps or Mnemonic.Vmovapd or Mnemonic.Vmovdqa or Mnemonic.Vmovntps or Mnemonic.Vmovntpd or Mnemonic.Vmovntdq or Mnemonic.Vmovntdqa;
        return instruction.Mnemonic is not (Mnemonic.Movups or Mnemonic.Movupd or Mnemonic.Movdqu or Mnemonic.Lddqu or Mnemonic.Pcmpestri or Mnemonic.Pcmpestrm
            or Mnemonic.Pcmpestri64 or Mnemonic.Pcmpestrm64 or Mnemonic.Pcmpistri or Mnemonic.Pcmpistrm);
    }

    private static bool IsBitTest(Mnemonic mnemonic) => mnemonic is Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc;
}
