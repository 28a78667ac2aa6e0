using System;
using System.Collections.Immutable;
using Hutch.Cpu.Tables;
using Iced.Intel;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>Which forms the conformance test covers, and why it does not cover the others.</summary>
internal static class FormCatalog
{
    /// <summary>The reason of most: thousands of forms of extensions that the engine refuses.</summary>
    public const string NotOffered = "not offered to guests";

    /// <summary>Sorts every Code.</summary>
    public static (ImmutableArray<Code> Covered, ImmutableArray<(Code Code, string Reason)> Skipped) Sort(int bitness = 64)
    {
        var covered = ImmutableArray.CreateBuilder<Code>();
        var skipped = ImmutableArray.CreateBuilder<(Code, string)>();
        foreach (Code code in Enum.GetValues<Code>())
        {
            string? reason = ReasonToSkip(code, bitness);
            if (reason == null) covered.Add(code);
            else skipped.Add((code, reason));
        }
        return (covered.ToImmutable(), skipped.ToImmutable());
    }

    private static string? ReasonToSkip(Code code, int bitness)
    {
        OpCodeInfo info = code.ToOpCode();
        if (!info.IsInstruction) return "not an instruction";
        if (bitness == 64 ? !info.Mode64 : !info.Mode32) return "not in this mode";
        Instruction instruction = default;
        instruction.Code = code;
        InstructionForm form = InstructionTable.Get(instruction);
        if (form.Class == InstructionClass.Undefined) return NotOffered;
        if (!Decodes(info)) return "an alias that the encoder makes";
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Clzero when (System.Runtime.Intrinsics.X86.X86Base.CpuId(unchecked((int)0x8000_0008), 0).Ebx & 1) == 0: return "not on this host";
            case Mnemonic.Movdiri or Mnemonic.Movdir64b or Mnemonic.Xbegin or Mnemonic.Xabort or Mnemonic.Xend or Mnemonic.Xtest: return "the engine's own, whatever the host does";
            case Mnemonic.Rdrand or Mnemonic.Rdseed: return "random";
            case Mnemonic.Rdtsc or Mnemonic.Rdtscp or Mnemonic.Cpuid or Mnemonic.Rdpid or Mnemonic.Xgetbv: return "says what the machine is";
            case Mnemonic.Syscall or Mnemonic.Sysenter or Mnemonic.Int or Mnemonic.Int3 or Mnemonic.Int1: return "enters the host's kernel";
            case Mnemonic.Sgdt or Mnemonic.Sidt or Mnemonic.Sldt or Mnemonic.Str or Mnemonic.Smsw: return "shows the host kernel's tables";
            case Mnemonic.Lar or Mnemonic.Lsl or Mnemonic.Verr or Mnemonic.Verw or Mnemonic.Lss or Mnemonic.Lfs or Mnemonic.Lgs or Mnemonic.Lds or Mnemonic.Les or Mnemonic.Arpl: return "depends on the host kernel's descriptors";
            case Mnemonic.Retf or Mnemonic.Iretq or Mnemonic.Iret or Mnemonic.Iretd: return "depends on the host kernel's descriptors";
            case Mnemonic.Xsave or Mnemonic.Xsave64 or Mnemonic.Xsaveopt or Mnemonic.Xsaveopt64 or Mnemonic.Xsavec or Mnemonic.Xsavec64 or Mnemonic.Xrstor or Mnemonic.Xrstor64:
                return "depends on the host's XCR0";
            case Mnemonic.Rdpkru or Mnemonic.Wrpkru: return "depends on the host kernel's CR4";
            case Mnemonic.Invlpg or Mnemonic.Vmcall or Mnemonic.Vmmcall: return "system instruction";
        }
        if (form.Class == InstructionClass.Special && UsesSegmentRegister(info)) return "depends on the host kernel's descriptors";
        if (info.IsPrivileged || info.Cpl0 && !info.Cpl3) return "system instruction";
        if (code is Code.Jmp_ptr1616 or Code.Jmp_ptr1632 or Code.Call_ptr1616 or Code.Call_ptr1632 or Code.Into) return "depends on the host kernel's descriptors";
        if ((info.Mnemonic is Mnemonic.Call or Mnemonic.Jmp) && info.OpCount > 0 && info.GetOpKind(0) is OpCodeOperandKind.farbr4_2 or OpCodeOperandKind.farbr2_2)
            return "depends on the host kernel's descriptors";
        if (code is Code.Call_m1616 or Code.Call_m1632 or Code.Call_m1664 or Code.Jmp_m1616 or Code.Jmp_m1632 or Code.Jmp_m1664) return "depends on the host kernel's descriptors";
        return null;
    }

    // FSTENV and its like are FWAIT and FNSTENV to a decoder, and some opcodes have a preferred twin.
    private static bool Decodes(OpCodeInfo info) => !info.Fwait && !info.IsReservedNop && info.Mnemonic != Mnemonic.Reservednop;

    private static bool UsesSegmentRegister(OpCodeInfo info)
    {
        for (int n = 0; n < info.OpCount; n++)
            if (info.GetOpKind(n) is OpCodeOperandKind.seg_reg or OpCodeOperandKind.cr_reg or OpCodeOperandKind.dr_reg or OpCodeOperandKind.tr_reg
                or OpCodeOperandKind.fs or OpCodeOperandKind.gs or OpCodeOperandKind.es or OpCodeOperandKind.cs or OpCodeOperandKind.ss or OpCodeOperandKind.ds) return true;
        return false;
    }
}
