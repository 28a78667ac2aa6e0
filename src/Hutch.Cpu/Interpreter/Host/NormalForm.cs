using System;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter.Host;

/// <summary>
/// The form of a guest instruction that runs on the host: 64-bit encoding, memory operand at a base register of its own, no RSP.
/// </summary>
/// <param name="Instruction">What to encode.</param>
/// <param name="UsedGuestRegisters">Bit n: the guest's register n is read or written.</param>
/// <param name="StackSubstitute">The host register that stands for the guest's RSP, or -1.</param>
/// <param name="MemoryBase">The host register with the operand's address, or -1.</param>
internal readonly record struct NormalForm(Instruction Instruction, int UsedGuestRegisters, int StackSubstitute, int MemoryBase)
{
    private const int Rsp = 4;

    // No register of the first four needs a REX prefix, which AH, BH, CH and DH forbid. RAX and RSI, RDI are busy in the stub.
    private static ReadOnlySpan<byte> FreeCandidates => [5, 3, 1, 2, 8, 9, 10, 11];

    /// <summary>Normalises an instruction; slow, once for each stub.</summary>
    public static NormalForm Of(in Instruction original)
    {
        Instruction i = original;
        int memory = Tables.InstructionTable.MemoryOperandIndex(i);
        i.SegmentPrefix = Register.None;
        i.HasXacquirePrefix = i.HasXreleasePrefix = i.HasRepPrefix = i.HasRepnePrefix = false;
        Recode(ref i);
        if (memory >= 0) SetAddress(ref i, Register.None);
        int used = UsedRegisters(i);
        int taken = used;
        int substitute = -1, @base = -1;
        if ((used & 1 << Rsp) != 0)
        {
            substitute = Take(ref taken);
            for (int n = 0; n < i.OpCount; n++)
                if (i.GetOpKind(n) == OpKind.Register && IsStackPointer(i.GetOpRegister(n)))
                    i.SetOpRegister(n, Resized(i.GetOpRegister(n), substitute));
        }
        if (memory >= 0)
        {
            @base = Take(ref taken);
            SetAddress(ref i, Register.RAX + @base);
        }
        return new NormalForm(i, used, substitute, @base);
    }

    private static int Take(ref int taken)
    {
        foreach (byte candidate in FreeCandidates)
        {
            if ((taken & 1 << candidate) != 0) continue;
            taken |= 1 << candidate;
            return candidate;
        }
        throw new InvalidOperationException("An instruction uses more registers than the host has.");
    }

    private static Register Resized(Register stackPointer, int number) => stackPointer switch
    {
        Register.RSP => Register.RAX + number,
        Register.ESP => Register.EAX + number,
        Register.SP => Register.AX + number,
        // AH, CH, DH and BH come between BL and SPL.
        _ => Register.AL + (number < Rsp ? number : number + 4),
    };

    private static bool IsStackPointer(Register register) => register is Register.RSP or Register.ESP or Register.SP or Register.SPL;

    private static void SetAddress(ref Instruction i, Register @base)
    {
        i.MemoryBase = @base;
        i.MemoryIndex = Register.None;
        i.MemoryIndexScale = 1;
        i.MemoryDisplacement64 = 0;
        i.MemoryDisplSize = @base == Register.None ? 8 : 0;
    }

    private static int UsedRegisters(in Instruction i)
    {
        int used = 0;
        foreach (UsedRegister register in new InstructionInfoFactory().GetInfo(i).GetUsedRegisters())
            if (register.Register.IsGPR()) used |= 1 << register.Register.GetFullRegister() - Register.RAX;
        return used;
    }

    // Encodings that 64-bit code does not have, and offsets in place of ModRM.
    private static void Recode(ref Instruction i)
    {
        Code modRm = i.Code switch
        {
            Code.Mov_AL_moffs8 => Code.Mov_r8_rm8,
            Code.Mov_AX_moffs16 => Code.Mov_r16_rm16,
            Code.Mov_EAX_moffs32 => Code.Mov_r32_rm32,
            Code.Mov_RAX_moffs64 => Code.Mov_r64_rm64,
            Code.Mov_moffs8_AL => Code.Mov_rm8_r8,
            Code.Mov_moffs16_AX => Code.Mov_rm16_r16,
            Code.Mov_moffs32_EAX => Code.Mov_rm32_r32,
            Code.Mov_moffs64_RAX => Code.Mov_rm64_r64,
            Code.Inc_r16 => Code.Inc_rm16,
            Code.Inc_r32 => Code.Inc_rm32,
            Code.Dec_r16 => Code.Dec_rm16,
            Code.Dec_r32 => Code.Dec_rm32,
            Code.Add_rm8_imm8_82 => Code.Add_rm8_imm8,
            Code.Or_rm8_imm8_82 => Code.Or_rm8_imm8,
            Code.Adc_rm8_imm8_82 => Code.Adc_rm8_imm8,
            Code.Sbb_rm8_imm8_82 => Code.Sbb_rm8_imm8,
            Code.And_rm8_imm8_82 => Code.And_rm8_imm8,
            Code.Sub_rm8_imm8_82 => Code.Sub_rm8_imm8,
            Code.Xor_rm8_imm8_82 => Code.Xor_rm8_imm8,
            Code.Cmp_rm8_imm8_82 => Code.Cmp_rm8_imm8,
            _ => i.Code,
        };
        i.Code = modRm;
    }
}
