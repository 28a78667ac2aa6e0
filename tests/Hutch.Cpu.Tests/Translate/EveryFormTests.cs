using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using Hutch.Cpu.State;
using Hutch.Cpu.Tables;
using Iced.Intel;
using Xunit;

namespace Hutch.Cpu.Tests.Translate;

/// <summary>
/// Every form that is copied to the host, with every kind of operand, must do the same translated and on the host: general and vector registers, defined flags, memory.
/// </summary>
public sealed unsafe class EveryFormTests
{
    private const ulong Rip = 0x40_1000;
    private const int Attempts = 6, OperandOffset = 0xd000;

    public static TheoryData<int> Parts => [0, 1, 2, 3];

    [Theory]
    [MemberData(nameof(Parts))]
    public void A_translated_form_does_what_the_host_does(int part)
    {
        using CodeBench bench = new();
        List<string> failures = [];
        int forms = 0;
        foreach (Code code in Enum.GetValues<Code>().Where(c => (int)c % 4 == part && IsCandidate(c)))
        {
            bool tested = false;
            for (int i = 0; i < Attempts; i++)
            {
                string? failure = Try(bench, code, (int)code * 100 + i, out bool ran);
                tested |= ran;
                if (failure != null) failures.Add(failure);
                if (failure != null) break;
            }
            if (tested) forms++;
        }
        Assert.True(failures.Count == 0, $"{failures.Count} forms\n{string.Join('\n', failures.Take(4))}\nand {string.Join(' ', failures.Select(f => f.Split('\n')[0]))}");
        Assert.InRange(forms, 150, 2000);
    }

    private static bool IsCandidate(Code code)
    {
        OpCodeInfo info = code.ToOpCode();
        return info.IsInstruction && info.Mode64 && info.Encoding is EncodingKind.Legacy or EncodingKind.VEX && code.Mnemonic() is not (Mnemonic.Rdrand or Mnemonic.Rdseed or Mnemonic.Nop or Mnemonic.Lea);
    }

    private static string? Try(CodeBench bench, Code code, int seed, out bool ran)
    {
        ran = false;
        Random random = new(seed);
        OperandMaker maker = new(random);
        if (!maker.TryMake(code, out Instruction wanted)) return null;
        Bytes sink = new();
        if (!Encoder.Create(64, sink).TryEncode(wanted, Rip, out _, out _)) return null;
        Decoder decoder = Decoder.Create(64, sink.Values.ToArray(), Rip);
        decoder.Decode(out Instruction instruction);
        if (instruction.Code != code) return null;
        InstructionForm form = InstructionTable.Get(instruction);
        if (form.Class != InstructionClass.PassThrough || (form.Traits & FormTraits.NoEffect) != 0) return null;
        if (InstructionTable.HasMemoryOperand(instruction) && form.MemorySize == 0) return null;
        if (IsHigh(instruction.Op0Register) || IsHigh(instruction.Op1Register))
            if (UsesStackPointer(instruction.Op0Register) || UsesStackPointer(instruction.Op1Register)) return null;
        // The offset into a bit string must not be an address.
        if ((form.Traits & FormTraits.BitString) != 0 && instruction.Op1Register is var offset && (offset.GetFullRegister() == instruction.MemoryBase || offset.GetFullRegister() == Register.RSP)) return null;
        CodeBench.Registers start = default;
        Fill(random, ref start, instruction, form, bench.DataAddress);
        byte[] data = new byte[CodeBench.DataBytes];
        random.NextBytes(data);
        byte[] bytes = [.. sink.Values];

        CodeBench.Registers native = start, translated = start;
        data.CopyTo(bench.Data);
        bench.RunNative(bytes, ref native);
        byte[] nativeData = bench.Data.ToArray();
        data.CopyTo(bench.Data);
        CodeBench.Exit exit = bench.RunTranslated([.. bytes, 0xf4], Rip, ref translated, random.Next(2) * random.Next());
        ran = true;
        string Listing() => $"{code} seed {seed}\n{instruction}\n{bench.LastHostCode}";
        if (exit != CodeBench.Exit.Interpret || bench.ExitRip != Rip + (ulong)bytes.Length) return $"{Listing()}\nleft by {exit} at {bench.ExitRip:x}";
        return Difference(native, translated, instruction) is { } difference ? $"{Listing()}\n{difference}"
            : nativeData.AsSpan(0x9000).SequenceEqual(bench.Data[0x9000..]) ? null : $"{Listing()}\nmemory";
    }

    // AH to BH together with SP are left to the interpreter.
    private static bool IsHigh(Register register) => register is >= Register.AH and <= Register.BH;

    private static bool UsesStackPointer(Register register) => register is Register.SP or Register.ESP or Register.RSP;

    private static string? Difference(CodeBench.Registers native, CodeBench.Registers translated, in Instruction instruction)
    {
        for (int r = 0; r < 16; r++)
            if (native.Gpr[r] != translated.Gpr[r]) return string.Create(CultureInfo.InvariantCulture, $"register {r}: host {native.Gpr[r]:x}, translated {translated.Gpr[r]:x}");
        // The same instruction saw the same operands: even undefined flags must agree, unless flags were dead.
        ulong changed = (native.Flags ^ translated.Flags) & Defined(instruction);
        if (changed != 0) return string.Create(CultureInfo.InvariantCulture, $"flags: host {native.Flags:x}, translated {translated.Flags:x}");
        for (int i = 0; i < CodeBench.VectorBytes; i++)
            if (i is < 6 or > 23 && native.Vector[i] != translated.Vector[i]) return $"vector state at {i}";
        return null;
    }

    private static ulong Defined(in Instruction instruction)
    {
        RflagsBits undefined = instruction.RflagsUndefined;
        return Flags.Arithmetic & ~((undefined.HasFlag(RflagsBits.OF) ? Flags.Of : 0) | (undefined.HasFlag(RflagsBits.SF) ? Flags.Sf : 0) | (undefined.HasFlag(RflagsBits.ZF) ? Flags.Zf : 0)
            | (undefined.HasFlag(RflagsBits.AF) ? Flags.Af : 0) | (undefined.HasFlag(RflagsBits.CF) ? Flags.Cf : 0) | (undefined.HasFlag(RflagsBits.PF) ? Flags.Pf : 0));
    }

    private static void Fill(Random random, ref CodeBench.Registers registers, in Instruction instruction, InstructionForm form, ulong data)
    {
        for (int i = 0; i < 16; i++) registers.Gpr[i] = random.Next(3) == 0 ? (ulong)random.Next(5) : (ulong)random.NextInt64();
        registers.Gpr[4] = data + 0xf000;
        registers.Flags = (ulong)random.Next() & Flags.Arithmetic;
        fixed (byte* vector = registers.Vector)
        {
            for (int i = 32; i < 416; i++) vector[i] = (byte)random.Next(256);
            for (int i = 576; i < 832; i++) vector[i] = (byte)random.Next(256);
            *(ushort*)vector = 0x37f;
            vector[4] = (byte)random.Next(256);
            *(uint*)(vector + 24) = 0x1f80;
            vector[512] = 7;
        }
        if ((form.Traits & FormTraits.BitString) != 0) LimitBitOffset(random, ref registers, instruction);
        if (instruction.MemoryBase == Register.None) return;
        int displacement = (int)instruction.MemoryDisplacement64;
        ulong target = data + OperandOffset + (ulong)random.Next(64) * 32;
        if ((form.Traits & FormTraits.Aligned) == 0 && random.Next(2) == 0) target += (ulong)random.Next(0x800);
        ulong index = 0;
        if (instruction.MemoryIndex != Register.None)
        {
            registers.Gpr[instruction.MemoryIndex - Register.RAX] = (ulong)random.Next(256);
            index = registers.Gpr[instruction.MemoryIndex - Register.RAX] * (ulong)instruction.MemoryIndexScale;
        }
        registers.Gpr[instruction.MemoryBase - Register.RAX] = target - index - (ulong)displacement;
    }

    // A 16-bit offset is limited anyway.
    private static void LimitBitOffset(Random random, ref CodeBench.Registers registers, in Instruction instruction)
    {
        int number = instruction.Op1Register switch
        {
            >= Register.RAX and <= Register.R15 => instruction.Op1Register - Register.RAX,
            >= Register.EAX and <= Register.R15D => instruction.Op1Register - Register.EAX,
            _ => -1,
        };
        if (number >= 0) registers.Gpr[number] = (ulong)(long)random.Next(-0x4000, 0x4000);
    }

    private sealed class Bytes : Iced.Intel.CodeWriter
    {
        public List<byte> Values { get; } = [];

        public override void WriteByte(byte value) => Values.Add(value);
    }
}
