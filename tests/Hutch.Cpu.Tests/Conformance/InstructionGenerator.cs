using System;
using Hutch.Cpu.Tables;
using Iced.Intel;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>Random instructions of a given Code with random operands, placed in a vector whose registers and memory suit them.</summary>
/// <param name="random">Source.</param>
/// <param name="bitness">64, or 32 for compatibility mode.</param>
internal sealed class InstructionGenerator(TestRandom random, int bitness = 64)
{
    private const int Attempts = 40;

    private readonly Bytes _bytes = new();
    private readonly MemoryOperandGenerator _memory = new(random, bitness);
    private readonly int _registers = bitness == 64 ? 16 : 8;
    private Instruction _decoded;

    /// <summary>Fills a vector with one instruction. False: no operands were found that encode.</summary>
    public bool Generate(Code code, TestVector vector)
    {
        vector.Rip = OracleLayout.Code + 0x400 + (ulong)random.Below(0x400);
        vector.Code.AsSpan().Fill(0xcc);
        vector.PatchLength = 0;
        vector.UndefinedFlags = 0;
        vector.Bitness = bitness;
        StateGenerator.Fill(random, vector, strict: true);
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            Instruction instruction = Build(code, vector.Rip, out int memoryOperand);
            if (instruction.IsInvalid) return false;
            if (memoryOperand >= 0) _memory.Choose(ref instruction, memoryOperand, vector);
            SetPrefixes(ref instruction, memoryOperand);
            if (!Encode(instruction, vector.Rip)) continue;
            _bytes.Array.AsSpan(0, _bytes.Length).CopyTo(vector.Code);
            vector.Length = _bytes.Length;
            if (memoryOperand >= 0) _memory.Prepare(vector);
            OperandTuning.Apply(random, instruction, vector);
            // Whether vectors and long operands are subject to alignment checks is up to the processor.
            if (instruction.MemorySize.GetSize() > 8 || code == Code.Movsxd_r16_rm16 || instruction.Mnemonic is Mnemonic.Enter or Mnemonic.Bound || InstructionTable.Get(instruction).Class == InstructionClass.Assisted) vector.Flags &= ~0x4_0000UL;
            vector.Name = memoryOperand >= 0 ? code + " (memory)" : code.ToString();
            vector.Instructions = 1;
            return true;
        }
        return false;
    }

    /// <summary>An INT3 near an instruction: never the instruction itself, which could loop for ever.</summary>
    public static ulong BranchTarget(TestRandom random, ulong rip) => random.Chance(50) ? rip + 16 + (ulong)random.Below(100) : rip - 16 - (ulong)random.Below(100);

    /// <summary>
    /// Adds an instruction to a block. Memory operands are at fixed addresses or relative to one of <paramref name="pointers"/>, whatever happened to it.
    /// </summary>
    /// <returns>The instruction as decoded; invalid if none was found.</returns>
    public Instruction Append(Code code, TestVector vector, ReadOnlySpan<int> pointers)
    {
        ulong rip = vector.Rip + (ulong)vector.Length;
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            Instruction instruction = Build(code, rip, out int memoryOperand);
            if (instruction.IsInvalid) return default;
            if (memoryOperand >= 0) _memory.ChooseInBlock(ref instruction, memoryOperand, vector, rip, pointers);
            SetPrefixes(ref instruction, memoryOperand);
            if (!Encode(instruction, rip) || vector.Length + _bytes.Length >= vector.Code.Length) continue;
            _bytes.Array.AsSpan(0, _bytes.Length).CopyTo(vector.Code.AsSpan(vector.Length));
            vector.Length += _bytes.Length;
            vector.Instructions++;
            return _decoded;
        }
        return default;
    }

    private bool Encode(in Instruction instruction, ulong rip)
    {
        var encoder = Encoder.Create(bitness, _bytes);
        _bytes.Length = 0;
        if (!encoder.TryEncode(instruction, rip, out _, out _) || _bytes.Length > 15) return false;
        // Some Codes are aliases, or belong to another maker's processors.
        Decoder decoder = Decoder.Create(bitness, new ByteArrayCodeReader(_bytes.Array, 0, _bytes.Length));
        decoder.IP = rip;
        _decoded = decoder.Decode();
        return _decoded.Code == instruction.Code && _decoded.Length == _bytes.Length;
    }

    private Instruction Build(Code code, ulong rip, out int memoryOperand)
    {
        Instruction instruction = default;
        instruction.Code = code;
        OpCodeInfo info = code.ToOpCode();
        memoryOperand = -1;
        bool preferMemory = random.Chance(50);
        for (int n = 0; n < info.OpCount; n++)
        {
            OpCodeOperandKind kind = info.GetOpKind(n);
            if (IsMemory(kind, preferMemory))
            {
                instruction.SetOpKind(n, OpKind.Memory);
                memoryOperand = n;
            }
            else if (kind is OpCodeOperandKind.br64_1 or OpCodeOperandKind.br64_4)
            {
                instruction.SetOpKind(n, OpKind.NearBranch64);
                instruction.NearBranch64 = BranchTarget(random, rip);
            }
            else if (kind is OpCodeOperandKind.br32_1 or OpCodeOperandKind.br32_4)
            {
                instruction.SetOpKind(n, OpKind.NearBranch32);
                instruction.NearBranch32 = (uint)BranchTarget(random, rip);
            }
            else if (!SetOperand(ref instruction, n, kind))
            {
                instruction.Code = Code.INVALID;
                break;
            }
        }
        return instruction;
    }

    private static bool IsMemory(OpCodeOperandKind kind, bool prefer) => kind switch
    {
        OpCodeOperandKind.mem or OpCodeOperandKind.mem_vsib32x or OpCodeOperandKind.mem_vsib64x or OpCodeOperandKind.mem_vsib32y or OpCodeOperandKind.mem_vsib64y => true,
        OpCodeOperandKind.mem_offs => true,
        OpCodeOperandKind.r8_or_mem or OpCodeOperandKind.r16_or_mem or OpCodeOperandKind.r32_or_mem or OpCodeOperandKind.r64_or_mem => prefer,
        OpCodeOperandKind.mm_or_mem or OpCodeOperandKind.xmm_or_mem or OpCodeOperandKind.ymm_or_mem => prefer,
        _ => false,
    };

    private bool SetOperand(ref Instruction i, int n, OpCodeOperandKind kind)
    {
        switch (kind)
        {
            case OpCodeOperandKind.imm8 when n == 1 && i.Op0Kind == OpKind.Immediate16:
                // ENTER: few bytes, few levels.
                i.Immediate16 = (ushort)random.Below(0x200);
                i.Immediate8_2nd = (byte)random.Below(random.Chance(90) ? 4 : 256);
                i.SetOpKind(n, OpKind.Immediate8_2nd);
                return true;
            case OpCodeOperandKind.imm8: return Immediate(ref i, n, OpKind.Immediate8, random.Below(256));
            case OpCodeOperandKind.imm8_const_1: return Immediate(ref i, n, OpKind.Immediate8, 1);
            case OpCodeOperandKind.imm8sex16: return Immediate(ref i, n, OpKind.Immediate8to16, (sbyte)random.Below(256));
            case OpCodeOperandKind.imm8sex32: return Immediate(ref i, n, OpKind.Immediate8to32, (sbyte)random.Below(256));
            case OpCodeOperandKind.imm8sex64: return Immediate(ref i, n, OpKind.Immediate8to64, (sbyte)random.Below(256));
            case OpCodeOperandKind.imm16: return Immediate(ref i, n, OpKind.Immediate16, (long)random.Integer());
            case OpCodeOperandKind.imm32: return Immediate(ref i, n, OpKind.Immediate32, (long)random.Integer());
            case OpCodeOperandKind.imm32sex64: return Immediate(ref i, n, OpKind.Immediate32to64, (int)random.Integer());
            case OpCodeOperandKind.imm64: return Immediate(ref i, n, OpKind.Immediate64, (long)random.Integer());
            case OpCodeOperandKind.seg_rSI: i.SetOpKind(n, IsWide ? OpKind.MemorySegRSI : OpKind.MemorySegESI); return true;
            case OpCodeOperandKind.es_rDI: i.SetOpKind(n, StringDestination(i, OpKind.MemoryESRDI, OpKind.MemoryESEDI)); return true;
            case OpCodeOperandKind.seg_rDI: i.SetOpKind(n, IsWide ? OpKind.MemorySegRDI : OpKind.MemorySegEDI); return true;
            case OpCodeOperandKind.seg_rBX_al:
                i.SetOpKind(n, OpKind.Memory);
                i.MemoryBase = IsWide ? Register.RBX : Register.EBX;
                i.MemoryIndex = Register.AL;
                i.MemoryIndexScale = 1;
                return true;
        }
        Register register = RandomRegister(kind);
        if (register == Register.None) return false;
        i.SetOpKind(n, OpKind.Register);
        i.SetOpRegister(n, register);
        return true;
    }

    // Both string operands have the same address size.
    private OpKind StringDestination(in Instruction i, OpKind wide, OpKind narrow)
    {
        if (i.Op0Kind == OpKind.MemorySegRSI || i.Op1Kind == OpKind.MemorySegRSI) return wide;
        if (i.Op0Kind == OpKind.MemorySegESI || i.Op1Kind == OpKind.MemorySegESI) return narrow;
        return IsWide ? wide : narrow;
    }

    private bool IsWide => bitness == 64 && random.Chance(80);

    private static bool Immediate(ref Instruction i, int n, OpKind kind, long value)
    {
        i.SetOpKind(n, kind);
        switch (kind)
        {
            case OpKind.Immediate8: i.Immediate8 = (byte)value; break;
            case OpKind.Immediate16: i.Immediate16 = (ushort)value; break;
            case OpKind.Immediate32: i.Immediate32 = (uint)value; break;
            case OpKind.Immediate64: i.Immediate64 = (ulong)value; break;
            case OpKind.Immediate8to16: i.Immediate8to16 = (short)value; break;
            case OpKind.Immediate8to32: i.Immediate8to32 = (int)value; break;
            case OpKind.Immediate8to64: i.Immediate8to64 = value; break;
            default: i.Immediate32to64 = value; break;
        }
        return true;
    }

    private Register RandomRegister(OpCodeOperandKind kind)
    {
        switch (kind)
        {
            case OpCodeOperandKind.r8_or_mem or OpCodeOperandKind.r8_reg or OpCodeOperandKind.r8_opcode: return Register.AL + random.Below(bitness == 64 ? 20 : 8);
            case OpCodeOperandKind.r16_or_mem or OpCodeOperandKind.r16_reg or OpCodeOperandKind.r16_rm or OpCodeOperandKind.r16_opcode: return Register.AX + random.Below(_registers);
            case OpCodeOperandKind.r32_or_mem or OpCodeOperandKind.r32_reg or OpCodeOperandKind.r32_rm or OpCodeOperandKind.r32_opcode or OpCodeOperandKind.r32_vvvv:
                return Register.EAX + random.Below(_registers);
            case OpCodeOperandKind.r64_or_mem or OpCodeOperandKind.r64_reg or OpCodeOperandKind.r64_rm or OpCodeOperandKind.r64_opcode or OpCodeOperandKind.r64_vvvv:
                return Register.RAX + random.Below(_registers);
            case OpCodeOperandKind.mm_or_mem or OpCodeOperandKind.mm_reg or OpCodeOperandKind.mm_rm: return Register.MM0 + random.Below(8);
            case OpCodeOperandKind.xmm_or_mem or OpCodeOperandKind.xmm_reg or OpCodeOperandKind.xmm_rm or OpCodeOperandKind.xmm_vvvv or OpCodeOperandKind.xmm_is4:
                return Register.XMM0 + random.Below(_registers);
            case OpCodeOperandKind.ymm_or_mem or OpCodeOperandKind.ymm_reg or OpCodeOperandKind.ymm_rm or OpCodeOperandKind.ymm_vvvv or OpCodeOperandKind.ymm_is4:
                return Register.YMM0 + random.Below(_registers);
            case OpCodeOperandKind.sti_opcode: return Register.ST0 + random.Below(8);
            case OpCodeOperandKind.st0: return Register.ST0;
            case OpCodeOperandKind.al: return Register.AL;
            case OpCodeOperandKind.cl: return Register.CL;
            case OpCodeOperandKind.ax: return Register.AX;
            case OpCodeOperandKind.dx: return Register.DX;
            case OpCodeOperandKind.eax: return Register.EAX;
            case OpCodeOperandKind.rax: return Register.RAX;
            default: return Register.None;
        }
    }

    private void SetPrefixes(ref Instruction i, int memoryOperand)
    {
        OpCodeInfo info = i.Code.ToOpCode();
        if (info.CanUseLockPrefix && memoryOperand == 0 && random.Chance(30)) i.HasLockPrefix = true;
        if (!i.IsStringInstruction || !random.Chance(60)) return;
        if (info.CanUseRepnePrefix && random.Chance(50)) i.HasRepnePrefix = true;
        else if (info.CanUseRepPrefix) i.HasRepPrefix = true;
    }

    private sealed class Bytes : CodeWriter
    {
        public readonly byte[] Array = new byte[32];
        public int Length;

        public override void WriteByte(byte value) => Array[Length++] = value;
    }
}
