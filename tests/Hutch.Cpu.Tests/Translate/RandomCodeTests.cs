using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using Hutch.Cpu.State;
using Iced.Intel;
using Xunit;

namespace Hutch.Cpu.Tests.Translate;

/// <summary>Random straight-line code must do the same translated and on the host: registers, flags and memory.</summary>
public sealed unsafe class RandomCodeTests
{
    private const ulong Rip = 0x40_1000;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Translated_code_does_what_the_host_does(int seed)
    {
        using CodeBench bench = new();
        for (int i = 0; i < 500; i++) RunOne(bench, seed * 100_000 + i);
    }

    private static void RunOne(CodeBench bench, int seed)
    {
        Random random = new(seed);
        RandomCode generator = new(random, bench.DataAddress);
        byte[] code = generator.Generate(1 + random.Next(10), out List<Instruction> instructions);
        CodeBench.Registers start = default;
        generator.Fill(ref start);
        byte[] data = new byte[CodeBench.DataBytes];
        random.NextBytes(data);

        CodeBench.Registers native = start, translated = start;
        data.CopyTo(bench.Data);
        bench.RunNative(code, ref native);
        byte[] nativeData = bench.Data[RandomCode.StackGuard..].ToArray();
        data.CopyTo(bench.Data);
        // An instruction that the translator leaves to the interpreter ends the block: a HLT marks the end of what is wanted.
        CodeBench.Exit exit = bench.RunTranslated([.. code, 0xf4], Rip, ref translated, random.Next(2) * random.Next());
        string Listing() => $"seed {seed}\n{string.Join('\n', instructions.Select(i => i.ToString()))}\n{bench.LastHostCode}";
        Assert.True(exit == CodeBench.Exit.Interpret && bench.ExitRip == Rip + (ulong)code.Length, $"left by {exit} at {bench.ExitRip:x}\n{Listing()}");
        for (int r = 0; r < 16; r++)
            Assert.True(native.Gpr[r] == translated.Gpr[r], string.Create(CultureInfo.InvariantCulture, $"register {r}: host {native.Gpr[r]:x}, translated {translated.Gpr[r]:x}\n{Listing()}"));
        Assert.True(((native.Flags ^ translated.Flags) & generator.DefinedFlags) == 0, $"flags: host {native.Flags:x}, translated {translated.Flags:x}\n{Listing()}");
        Assert.True(nativeData.AsSpan().SequenceEqual(bench.Data[RandomCode.StackGuard..]), $"memory\n{Listing()}");
    }

    /// <summary>Makes instructions on registers of which some hold addresses in the data and are not written.</summary>
    private sealed class RandomCode(Random random, ulong data)
    {
        public const int StackGuard = 0x8000;

        private static readonly Code[] Binary =
        [
            Code.Add_rm64_r64, Code.Adc_rm64_r64, Code.Sub_rm32_r32, Code.Sbb_rm64_r64, Code.And_rm8_r8, Code.Or_rm16_r16, Code.Xor_rm64_r64, Code.Cmp_rm64_r64,
            Code.Test_rm32_r32, Code.Mov_rm64_r64, Code.Mov_rm8_r8, Code.Mov_rm16_r16, Code.Mov_rm32_r32, Code.Xchg_rm64_r64, Code.Xadd_rm64_r64, Code.Cmpxchg_rm64_r64,
            Code.Cmp_rm8_r8, Code.Xadd_rm8_r8,
        ];

        private static readonly Code[] Loads =
        [
            Code.Mov_r64_rm64, Code.Add_r64_rm64, Code.Sbb_r32_rm32, Code.Cmp_r64_rm64, Code.Movzx_r32_rm8, Code.Movsx_r64_rm16, Code.Movsxd_r64_rm32, Code.Imul_r64_rm64,
            Code.Cmove_r64_rm64, Code.Cmovb_r32_rm32, Code.Cmovo_r64_rm64, Code.Cmovp_r64_rm64, Code.Popcnt_r64_rm64, Code.Tzcnt_r64_rm64, Code.Adcx_r64_rm64, Code.Adox_r64_rm64,
            Code.Mov_r8_rm8, Code.Adc_r8_rm8,
        ];

        private static readonly Code[] Unary =
        [
            Code.Inc_rm64, Code.Dec_rm32, Code.Neg_rm64, Code.Not_rm64, Code.Sete_rm8, Code.Setb_rm8, Code.Seto_rm8, Code.Setp_rm8, Code.Rol_rm64_1, Code.Rcl_rm32_1, Code.Sar_rm64_1,
        ];

        private static readonly Code[] Shifts = [Code.Shl_rm64_imm8, Code.Shr_rm32_imm8, Code.Ror_rm64_imm8, Code.Add_rm64_imm8, Code.Cmp_rm8_imm8, Code.Adc_rm32_imm8, Code.Bt_rm64_imm8, Code.Bts_rm32_imm8];

        private static readonly Code[] ByCl = [Code.Shl_rm64_CL, Code.Shr_rm32_CL, Code.Sar_rm64_CL, Code.Rol_rm64_CL, Code.Ror_rm8_CL];

        private readonly int[] _address = [.. Enumerable.Range(0, 16).Where(i => i is not (0 or 1 or 4)).OrderBy(_ => random.Next()).Take(2), 4];

        private const RflagsBits All = RflagsBits.OF | RflagsBits.SF | RflagsBits.ZF | RflagsBits.AF | RflagsBits.CF | RflagsBits.PF;
        private RflagsBits _defined = All;

        /// <summary>Flags whose value the code leaves defined.</summary>
        public ulong DefinedFlags =>
            (_defined.HasFlag(RflagsBits.OF) ? Flags.Of : 0) | (_defined.HasFlag(RflagsBits.SF) ? Flags.Sf : 0) | (_defined.HasFlag(RflagsBits.ZF) ? Flags.Zf : 0)
            | (_defined.HasFlag(RflagsBits.AF) ? Flags.Af : 0) | (_defined.HasFlag(RflagsBits.CF) ? Flags.Cf : 0) | (_defined.HasFlag(RflagsBits.PF) ? Flags.Pf : 0);

        // Code that reads undefined flags may do anything.
        private bool UsesDefinedFlags(in Instruction instruction)
        {
            RflagsBits read = instruction.Code == Code.Pushfq ? All : instruction.RflagsRead & All;
            if ((read & ~_defined) != 0) return false;
            _defined &= ~instruction.RflagsUndefined;
            if (instruction.Op1Kind != OpKind.Register || instruction.Op1Register != Register.CL)
                _defined |= (instruction.RflagsWritten | instruction.RflagsCleared | instruction.RflagsSet) & All;
            return true;
        }

        public void Fill(ref CodeBench.Registers registers)
        {
            for (int i = 0; i < 16; i++) registers.Gpr[i] = random.Next(4) == 0 ? (ulong)random.Next(4) - 1 : (ulong)random.NextInt64();
            foreach (int address in _address) registers.Gpr[address] = data + 0xc000 + (ulong)random.Next(0x2000);
            registers.Gpr[4] &= ~7UL;
            registers.Flags = (ulong)random.Next() & Flags.Arithmetic;
        }

        public byte[] Generate(int count, out List<Instruction> instructions)
        {
            instructions = [];
            List<byte> bytes = [];
            while (instructions.Count < count)
            {
                Instruction instruction = Next();
                Sink sink = new();
                Encoder encoder = Encoder.Create(64, sink);
                if (!encoder.TryEncode(instruction, Rip + (ulong)bytes.Count, out _, out _) || !UsesDefinedFlags(instruction)) continue;
                instructions.Add(instruction);
                bytes.AddRange(sink.Bytes);
            }
            return [.. bytes];
        }

        private Instruction Next() => random.Next(9) switch
        {
            0 or 1 => Create(Pick(Binary), true, false),
            2 or 3 => Create(Pick(Loads), false, true),
            4 => Create(Pick(Unary), true, false),
            5 => Create(Pick(Shifts), true, false),
            6 => Create(Pick(ByCl), true, false),
            7 => Lea(),
            _ => random.Next(4) switch
            {
                0 => Instruction.Create(Code.Push_r64, AnyRegister(8)),
                1 => Instruction.Create(Code.Pushfq),
                2 => Instruction.Create(Code.Pushq_imm8, random.Next(-128, 128)),
                _ => Instruction.Create(Code.Push_rm64, Memory()),
            },
        };

        private Instruction Lea() => Instruction.Create(Code.Lea_r64_m, Writable(8), Memory());

        private Instruction Create(Code code, bool memoryFirst, bool memorySecond)
        {
            OpCodeInfo info = code.ToOpCode();
            Instruction instruction = default;
            instruction.Code = code;
            bool memory = random.Next(2) == 0;
            for (int i = 0; i < info.OpCount; i++)
            {
                OpCodeOperandKind kind = info.GetOpKind(i);
                bool canBeMemory = kind is OpCodeOperandKind.r8_or_mem or OpCodeOperandKind.r16_or_mem or OpCodeOperandKind.r32_or_mem or OpCodeOperandKind.r64_or_mem;
                int size = kind switch
                {
                    OpCodeOperandKind.r8_or_mem or OpCodeOperandKind.r8_reg => 1,
                    OpCodeOperandKind.r16_or_mem or OpCodeOperandKind.r16_reg => 2,
                    OpCodeOperandKind.r32_or_mem or OpCodeOperandKind.r32_reg => 4,
                    _ => 8,
                };
                if (kind == OpCodeOperandKind.imm8_const_1) { instruction.SetOpKind(i, OpKind.Immediate8); instruction.Immediate8 = 1; }
                else if (kind is OpCodeOperandKind.imm8) { instruction.SetOpKind(i, OpKind.Immediate8); instruction.Immediate8 = (byte)random.Next(64); }
                else if (kind is OpCodeOperandKind.imm8sex64) { instruction.SetOpKind(i, OpKind.Immediate8to64); instruction.Immediate8to64 = random.Next(-128, 128); }
                else if (kind is OpCodeOperandKind.imm8sex32) { instruction.SetOpKind(i, OpKind.Immediate8to32); instruction.Immediate8to32 = random.Next(-128, 128); }
                else if (kind == OpCodeOperandKind.cl) { instruction.SetOpKind(i, OpKind.Register); instruction.SetOpRegister(i, Register.CL); }
                else if (memory && canBeMemory && ((i == 0 && memoryFirst) || (i == 1 && memorySecond))) SetMemory(ref instruction, i);
                else { instruction.SetOpKind(i, OpKind.Register); instruction.SetOpRegister(i, Writable(size)); }
            }
            if (memory && info.CanUseLockPrefix && random.Next(3) == 0) instruction.HasLockPrefix = memoryFirst && code is not (Code.Xchg_rm64_r64);
            return instruction;
        }

        private MemoryOperand Memory()
        {
            Register @base = Register.RAX + _address[random.Next(_address.Length)];
            return new MemoryOperand(@base, random.Next(-16, 16) * 64);
        }

        private void SetMemory(ref Instruction instruction, int operand)
        {
            instruction.SetOpKind(operand, OpKind.Memory);
            instruction.MemoryBase = Register.RAX + _address[random.Next(_address.Length)];
            instruction.MemoryDisplacement64 = (ulong)(long)random.Next(-1024, 1024);
            instruction.MemoryDisplSize = 8;
        }

        private T Pick<T>(T[] from) => from[random.Next(from.Length)];

        private Register AnyRegister(int size) => Sized(random.Next(16), size);

        private Register Writable(int size)
        {
            int number;
            do number = random.Next(16); while (_address.Contains(number));
            if (size == 1 && number < 4 && random.Next(3) == 0) return Register.AH + number;
            return Sized(number, size);
        }

        private static Register Sized(int number, int size) => size switch
        {
            8 => Register.RAX + number,
            4 => Register.EAX + number,
            2 => Register.AX + number,
            _ => number < 4 ? Register.AL + number : Register.SPL + (number - 4),
        };
    }

    private sealed class Sink : Iced.Intel.CodeWriter
    {
        public List<byte> Bytes { get; } = [];

        public override void WriteByte(byte value) => Bytes.Add(value);
    }
}
