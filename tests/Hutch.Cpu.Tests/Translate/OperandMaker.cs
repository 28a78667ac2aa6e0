using System;
using Iced.Intel;

namespace Hutch.Cpu.Tests.Translate;

/// <summary>Makes an instruction of any Code with random operands. The memory operand's base and index are distinct.</summary>
internal sealed class OperandMaker(Random random)
{
    /// <summary>False: the Code has an operand of a kind that no copied instruction has.</summary>
    public bool TryMake(Code code, out Instruction instruction)
    {
        instruction = default;
        instruction.Code = code;
        OpCodeInfo info = code.ToOpCode();
        bool memory = random.Next(2) == 0, hasMemory = false;
        for (int i = 0; i < info.OpCount; i++)
        {
            string kind = info.GetOpKind(i).ToString();
            if (kind == "mem" || (memory && kind.EndsWith("_or_mem", StringComparison.Ordinal)))
            {
                SetMemory(ref instruction, i);
                hasMemory = true;
            }
            else if (kind == "mem_offs") return false;
            else if (kind.StartsWith("imm", StringComparison.Ordinal)) SetImmediate(ref instruction, i, kind);
            else if (RegisterOf(kind) is var register && register != Register.None)
            {
                instruction.SetOpKind(i, OpKind.Register);
                instruction.SetOpRegister(i, register);
            }
            else return false;
        }
        if (hasMemory && info.CanUseLockPrefix && instruction.Op0Kind == OpKind.Memory) instruction.HasLockPrefix = random.Next(2) == 0;
        return true;
    }

    private void SetMemory(ref Instruction instruction, int operand)
    {
        instruction.SetOpKind(operand, OpKind.Memory);
        int @base = random.Next(16), index = random.Next(16);
        instruction.MemoryBase = Register.RAX + @base;
        if (index != @base && index != 4 && random.Next(2) == 0)
        {
            instruction.MemoryIndex = Register.RAX + index;
            instruction.MemoryIndexScale = 1 << random.Next(4);
        }
        instruction.MemoryDisplacement64 = random.Next(3) switch { 0 => 0, 1 => (ulong)(long)random.Next(-128, 128), _ => (ulong)(long)random.Next(-0x10000, 0x10000) };
        instruction.MemoryDisplSize = 8;
    }

    private void SetImmediate(ref Instruction instruction, int operand, string kind)
    {
        OpKind opKind = kind switch
        {
            "imm8_const_1" or "imm8" => OpKind.Immediate8,
            "imm8sex16" => OpKind.Immediate8to16,
            "imm8sex32" => OpKind.Immediate8to32,
            "imm8sex64" => OpKind.Immediate8to64,
            "imm16" => OpKind.Immediate16,
            "imm32" => OpKind.Immediate32,
            "imm32sex64" => OpKind.Immediate32to64,
            "imm64" => OpKind.Immediate64,
            _ => OpKind.Immediate8,
        };
        instruction.SetOpKind(operand, opKind);
        if (kind == "imm8_const_1") instruction.Immediate8 = 1;
        else if (opKind is OpKind.Immediate8) instruction.Immediate8 = (byte)random.Next(256);
        else instruction.SetImmediate(operand, opKind is OpKind.Immediate8to16 or OpKind.Immediate8to32 or OpKind.Immediate8to64 ? random.Next(-128, 128) : random.Next(0x7fff));
    }

    private Register RegisterOf(string kind)
    {
        if (Enum.TryParse(kind, true, out Register named)) return named;
        string stem = kind.Split('_')[0];
        return stem switch
        {
            "r8" => Byte(),
            "r16" => Register.AX + random.Next(16),
            "r32" => Register.EAX + random.Next(16),
            "r64" => Register.RAX + random.Next(16),
            "xmm" or "xmmp3" => Register.XMM0 + random.Next(16),
            "ymm" => Register.YMM0 + random.Next(16),
            "mm" => Register.MM0 + random.Next(8),
            "sti" => Register.ST0 + random.Next(8),
            _ => Register.None,
        };
    }

    private Register Byte()
    {
        int number = random.Next(20);
        return number < 4 ? Register.AL + number : number < 16 ? Register.SPL + (number - 4) : Register.AH + (number - 16);
    }
}
