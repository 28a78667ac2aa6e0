using System;
using Iced.Intel;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>Adjusts implicit operands so that an instruction mostly does something instead of faulting.</summary>
internal static class OperandTuning
{
    private const int Rax = 0, Rcx = 1, Rdx = 2, Rbx = 3, Rbp = 5, Rsi = 6, Rdi = 7;

    /// <summary>Adjusts a vector for its instruction.</summary>
    public static void Apply(TestRandom random, in Instruction i, TestVector vector)
    {
        if (i.IsStringInstruction)
        {
            vector.Gpr[Rsi] = Anywhere(random);
            vector.Gpr[Rdi] = Anywhere(random);
            if (random.Chance(20)) vector.Gpr[Rdi] = vector.Gpr[Rsi] + (ulong)(random.Below(32) - 16);
            vector.Gpr[Rcx] = (ulong)random.Below(random.Chance(30) ? 600 : 20);
            if (vector.Bitness == 64 && (Uses(i, OpKind.MemorySegESI) || Uses(i, OpKind.MemoryESEDI))) vector.Gpr[Rcx] |= random.Next() << 32;
            return;
        }
        SetImageKind(i, vector);
        switch (i.Mnemonic)
        {
            case Mnemonic.Div or Mnemonic.Idiv when random.Chance(75) && i.MemoryBase.GetFullRegister() != Register.RDX && i.MemoryIndex.GetFullRegister() != Register.RDX:
                // A high half that makes the quotient fit.
                vector.Gpr[Rdx] = i.Mnemonic == Mnemonic.Div || (long)vector.Gpr[Rax] >= 0 ? (ulong)random.Below(3) : ulong.MaxValue;
                break;
            // Whether bytes that the mask leaves out can fault is up to the processor.
            case Mnemonic.Maskmovq or Mnemonic.Maskmovdqu or Mnemonic.Vmaskmovdqu: vector.Gpr[Rdi] = OracleLayout.Data + 0xe00 + (ulong)random.Below(0x400); break;
            case Mnemonic.Xlatb: vector.Gpr[Rbx] = Anywhere(random); break;
            case Mnemonic.Enter or Mnemonic.Leave: vector.Gpr[Rbp] = Anywhere(random) & ~7UL; break;
            case Mnemonic.Loop or Mnemonic.Loope or Mnemonic.Loopne or Mnemonic.Jcxz or Mnemonic.Jecxz or Mnemonic.Jrcxz: vector.Gpr[Rcx] = (ulong)random.Below(3); break;
            case Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc when i.Op0Kind == OpKind.Memory && i.Op1Kind == OpKind.Register && random.Chance(80):
                int register = i.Op1Register.GetFullRegister() - Register.RAX;
                if (i.MemoryBase.GetFullRegister() != Register.RAX + register && i.MemoryIndex.GetFullRegister() != Register.RAX + register)
                    vector.Gpr[register] = (ulong)(random.Below(4000) - 2000) & (ulong.MaxValue >> (64 - vector.Bitness));
                break;
            case Mnemonic.Ldmxcsr or Mnemonic.Vldmxcsr when random.Chance(80): BitConverter.TryWriteBytes(vector.Patch, (uint)random.Next() & 0xffff); break;
            // CALL with both a bad target and a bad stack may fault on either.
            case Mnemonic.Jmp or Mnemonic.Call or Mnemonic.Ret when random.Chance(80) || i.Mnemonic == Mnemonic.Call:
                ulong target = InstructionGenerator.BranchTarget(random, vector.Rip);
                BitConverter.TryWriteBytes(vector.Patch, target);
                if (i.Mnemonic == Mnemonic.Ret) (vector.PatchAddress, vector.PatchLength) = (vector.Gpr[4], 8);
                else if (i.Op0Kind == OpKind.Register && i.Op0Register.GetFullRegister() != Register.RSP) vector.Gpr[i.Op0Register.GetFullRegister() - Register.RAX] = target;
                break;
        }
    }

    private static void SetImageKind(in Instruction i, TestVector vector)
    {
        switch (i.Code)
        {
            case Code.Fxsave_m512byte or Code.Fxsave64_m512byte: vector.ImageKind = ImageKind.Fxsave; break;
            case Code.Fnstenv_m14byte or Code.Fnsave_m94byte: vector.ImageKind = ImageKind.Environment16; break;
            case Code.Fnstenv_m28byte or Code.Fnsave_m108byte: vector.ImageKind = ImageKind.Environment32; break;
            default: vector.ImageAddress = 0; break;
        }
    }

    private static bool Uses(in Instruction i, OpKind kind) => i.Op0Kind == kind || i.Op1Kind == kind;

    private static ulong Anywhere(TestRandom random) => random.Below(8) switch
    {
        0 => OracleLayout.Data + 0x1000 - (ulong)random.Below(300),
        1 => OracleLayout.ReadOnly - (ulong)random.Below(300),
        2 => OracleLayout.Unmapped - (ulong)random.Below(300),
        3 => OracleLayout.Data + (ulong)random.Below(300),
        _ => OracleLayout.Data + 0x400 + (ulong)random.Below(0x1800),
    };
}
