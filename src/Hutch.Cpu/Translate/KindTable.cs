using System;
using Iced.Intel;

namespace Hutch.Cpu.Translate;

/// <summary>The translator's own treatment of instructions, by Iced Code; everything it has none for is <see cref="TranslationKind.ByTable"/>.</summary>
internal sealed class KindTable
{
    private readonly TranslationKind[] _kinds = new TranslationKind[Enum.GetValues<Code>().Length];

    /// <summary>The treatment, before the block's mode is looked at.</summary>
    public TranslationKind Get(in Instruction instruction)
    {
        TranslationKind kind = _kinds[(int)instruction.Code];
        return kind != TranslationKind.Unknown ? kind : _kinds[(int)instruction.Code] = Compute(instruction.Code);
    }

    private static TranslationKind Compute(Code code)
    {
        if (code.IsJccShortOrNear()) return IsNear64(code) ? TranslationKind.JumpIf : TranslationKind.Interpret;
        TranslationKind kind = ControlTransfer(code);
        if (kind == TranslationKind.Unknown) kind = Stack(code);
        if (kind == TranslationKind.Unknown) kind = System(code);
        if (kind == TranslationKind.Unknown) kind = String(code);
        if (kind != TranslationKind.Unknown) return kind;
        switch (code.Mnemonic())
        {
            case Mnemonic.Lea: return TranslationKind.Lea;
            case Mnemonic.Nop or Mnemonic.Endbr64 or Mnemonic.Endbr32:
            case Mnemonic.Prefetch or Mnemonic.Prefetchw or Mnemonic.Prefetchnta or Mnemonic.Prefetcht0 or Mnemonic.Prefetcht1 or Mnemonic.Prefetcht2:
                return TranslationKind.Nop;
            default: return TranslationKind.ByTable;
        }
    }

    private static bool IsNear64(Code code) => code.ToOpCode().GetOpKind(0) is OpCodeOperandKind.br64_1 or OpCodeOperandKind.br64_4;

    private static TranslationKind ControlTransfer(Code code) => code switch
    {
        Code.Call_rel32_64 => TranslationKind.Call,
        Code.Call_rm64 => TranslationKind.CallIndirect,
        Code.Retnq or Code.Retnq_imm16 => TranslationKind.Return,
        Code.Jmp_rel8_64 or Code.Jmp_rel32_64 => TranslationKind.Jump,
        Code.Jmp_rm64 => TranslationKind.JumpIndirect,
        Code.Loop_rel8_64_RCX => TranslationKind.Loop,
        Code.Loope_rel8_64_RCX => TranslationKind.LoopEqual,
        Code.Loopne_rel8_64_RCX => TranslationKind.LoopNotEqual,
        Code.Jrcxz_rel8_64 => TranslationKind.JumpIfRcxZero,
        _ => TranslationKind.Unknown,
    };

    private static TranslationKind Stack(Code code) => code switch
    {
        Code.Push_r64 => TranslationKind.PushRegister,
        Code.Pushq_imm8 or Code.Pushq_imm32 => TranslationKind.PushImmediate,
        Code.Push_rm64 => TranslationKind.PushMemory,
        Code.Pop_r64 => TranslationKind.PopRegister,
        Code.Pop_rm64 => TranslationKind.PopMemory,
        Code.Pushfq => TranslationKind.PushFlags,
        Code.Leaveq => TranslationKind.Leave,
        _ => TranslationKind.Unknown,
    };

    private static TranslationKind String(Code code) => code switch
    {
        Code.Movsb_m8_m8 or Code.Movsw_m16_m16 or Code.Movsd_m32_m32 or Code.Movsq_m64_m64 => TranslationKind.String,
        Code.Stosb_m8_AL or Code.Stosw_m16_AX or Code.Stosd_m32_EAX or Code.Stosq_m64_RAX => TranslationKind.String,
        Code.Lodsb_AL_m8 or Code.Lodsw_AX_m16 or Code.Lodsd_EAX_m32 or Code.Lodsq_RAX_m64 => TranslationKind.String,
        _ => TranslationKind.Unknown,
    };

    private static TranslationKind System(Code code) => code switch
    {
        Code.Cli => TranslationKind.Cli,
        Code.Sti => TranslationKind.Sti,
        Code.Cld => TranslationKind.Cld,
        Code.Std => TranslationKind.Std,
        Code.Stac => TranslationKind.Stac,
        Code.Clac => TranslationKind.Clac,
        Code.Swapgs => TranslationKind.SwapGs,
        Code.Rdtsc => TranslationKind.Rdtsc,
        Code.Rdtscp => TranslationKind.Rdtscp,
        Code.Pause => TranslationKind.Pause,
        Code.Rdfsbase_r32 or Code.Rdfsbase_r64 => TranslationKind.ReadFsBase,
        Code.Rdgsbase_r32 or Code.Rdgsbase_r64 => TranslationKind.ReadGsBase,
        Code.Wrfsbase_r32 or Code.Wrfsbase_r64 => TranslationKind.WriteFsBase,
        Code.Wrgsbase_r32 or Code.Wrgsbase_r64 => TranslationKind.WriteGsBase,
        _ => TranslationKind.Unknown,
    };
}
