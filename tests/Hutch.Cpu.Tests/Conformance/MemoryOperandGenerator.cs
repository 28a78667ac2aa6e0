using System;
using Iced.Intel;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>Chooses where a memory operand is and how the instruction addresses it.</summary>
internal sealed class MemoryOperandGenerator(TestRandom random, int bitness)
{
    private readonly int _registers = bitness == 64 ? 16 : 8;
    private ulong _target;

    /// <summary>Sets the address fields of an instruction and the registers they name.</summary>
    public void Choose(ref Instruction i, int operand, TestVector vector)
    {
        int size = Math.Max(1, i.MemorySize.GetSize());
        _target = Place(size);
        // Intel's processors want these aligned like other SSE operands, AMD's do not care; the engine goes by the stricter rule.
        if (IgnoresAlignment(i)) _target &= ~15UL;
        OpCodeOperandKind kind = i.Code.ToOpCode().GetOpKind(operand);
        if (kind == OpCodeOperandKind.mem_offs)
        {
            i.MemoryDisplacement64 = _target;
            i.MemoryDisplSize = bitness / 8;
            return;
        }
        if (kind is OpCodeOperandKind.mem_vsib32x or OpCodeOperandKind.mem_vsib64x or OpCodeOperandKind.mem_vsib32y or OpCodeOperandKind.mem_vsib64y)
        {
            ChooseVectorIndex(ref i, kind, vector);
            return;
        }
        ulong @base = 0;
        i.SegmentPrefix = random.Below(bitness == 64 ? 12 : 1) switch { _ when bitness == 32 => Register.None, 0 => Register.FS, 1 => Register.GS, _ => Register.None };
        if (i.SegmentPrefix == Register.FS) @base = OracleLayout.FsBase;
        if (i.SegmentPrefix == Register.GS) @base = OracleLayout.GsBase;
        bool narrow = bitness == 32 || (@base == 0 && _target <= uint.MaxValue && random.Chance(10));
        ChooseForm(ref i, _target - @base, narrow, vector);
    }

    /// <summary>Sets the address fields of an instruction of a block, leaving registers alone.</summary>
    public void ChooseInBlock(ref Instruction i, int operand, TestVector vector, ulong rip, ReadOnlySpan<int> pointers)
    {
        int size = Math.Max(1, i.MemorySize.GetSize());
        ulong target = random.Chance(95) ? OracleLayout.Data + (ulong)random.Below(OracleLayout.DataBytes - 1024) : Place(size);
        if (size >= 16 && random.Chance(80)) target &= ~63UL;
        if (i.Code.ToOpCode().GetOpKind(operand) == OpCodeOperandKind.mem_offs)
        {
            i.MemoryDisplacement64 = target;
            i.MemoryDisplSize = 8;
            return;
        }
        int form = random.Below(4);
        if (IgnoresAlignment(i)) (form, target) = (1, target & ~15UL);
        if (form == 0 && (int)(target - rip) == (long)(target - rip))
        {
            i.MemoryBase = Register.RIP;
            i.MemoryDisplacement64 = target;
            i.MemoryDisplSize = 8;
            return;
        }
        int pointer = pointers[random.Below(pointers.Length)];
        ulong displacement = form == 1 ? target : target - vector.Gpr[pointer];
        if (form != 1) i.MemoryBase = Register.RAX + pointer;
        i.MemoryDisplacement64 = displacement;
        i.MemoryDisplSize = 8;
    }

    /// <summary>Puts data at the operand.</summary>
    public void Prepare(TestVector vector)
    {
        ulong low = Math.Clamp(_target, OracleLayout.Data, OracleLayout.Data + OracleLayout.DataBytes - OracleLayout.PatchBytes);
        vector.PatchAddress = low;
        vector.PatchLength = OracleLayout.PatchBytes;
        vector.ImageAddress = _target;
        random.Fill(vector.Patch);
        if (random.Chance(25)) random.Extended(vector.Patch.AsSpan(0, 10));
    }

    private static bool IgnoresAlignment(in Instruction i) => i.Mnemonic.ToString().StartsWith("Sha", StringComparison.Ordinal);

    private ulong Place(int size)
    {
        ulong middle = OracleLayout.Data + 0x1000;
        int span = Math.Min(size, 64);
        switch (random.Below(20))
        {
            case < 11: return OracleLayout.Data + (ulong)(random.Below((OracleLayout.DataBytes - 1024) / 64) * 64);
            case < 14: return OracleLayout.Data + (ulong)random.Below(OracleLayout.DataBytes - 1024);
            case < 16: return middle - (ulong)random.Below(span);
            case 16: return OracleLayout.ReadOnly - (ulong)random.Below(span);
            case 17: return OracleLayout.ReadOnly + (ulong)random.Below(0x800);
            case 18: return OracleLayout.Unmapped - (ulong)random.Below(span);
            default:
                return random.Below(4) switch
                {
                    0 => OracleLayout.Unmapped + (ulong)random.Below(0x1000),
                    1 => OracleLayout.Data - (ulong)random.Below(span),
                    // Operands of more than 8 bytes are accessed in parts, whose order decides between #PF and #GP here.
                    2 when size <= 8 && bitness == 64 => 0x0000_8000_0000_0000 - (ulong)random.Below(span),
                    _ => bitness == 64 ? random.Next() | 0x0100_0000_0000_0000 : OracleLayout.Unmapped,
                };
        }
    }

    private void ChooseForm(ref Instruction i, ulong offset, bool narrow, TestVector vector)
    {
        bool reachable = bitness == 32 || (long)offset == (int)offset;
        int form = random.Below(10);
        if (form == 0 && reachable)
        {
            i.MemoryDisplacement64 = offset;
            i.MemoryDisplSize = narrow ? 4 : 8;
            // Without base, the address size shows in the size of the displacement only.
            return;
        }
        long distance = (long)(offset - vector.Rip);
        if (bitness == 64 && form == 1 && (int)distance == distance && !narrow)
        {
            i.MemoryBase = Register.RIP;
            i.MemoryDisplacement64 = offset;
            i.MemoryDisplSize = 8;
            return;
        }
        int b = random.Below(_registers), x = random.Below(_registers);
        bool indexed = form >= 6 && x != 4 && x != b;
        int displacement = form switch { 2 or 6 => 0, 3 or 7 => random.Below(256) - 128, _ => (int)random.Integer() };
        i.MemoryBase = (narrow ? Register.EAX : Register.RAX) + b;
        i.MemoryDisplacement64 = narrow ? (uint)displacement : (ulong)displacement;
        i.MemoryDisplSize = displacement == 0 ? 0 : narrow ? 4 : 8;
        ulong sum = (ulong)(long)displacement;
        if (indexed)
        {
            i.MemoryIndex = (narrow ? Register.EAX : Register.RAX) + x;
            i.MemoryIndexScale = 1 << random.Below(4);
            sum += vector.Gpr[x] * (ulong)i.MemoryIndexScale;
        }
        ulong value = offset - sum;
        // Rubbish above 32 bits must not matter with 32-bit addresses.
        vector.Gpr[b] = !narrow ? value : (uint)value | (bitness == 64 ? random.Next() << 32 : 0);
    }

    private void ChooseVectorIndex(ref Instruction i, OpCodeOperandKind kind, TestVector vector)
    {
        bool wide = kind is OpCodeOperandKind.mem_vsib32y or OpCodeOperandKind.mem_vsib64y;
        int b = random.Below(_registers), x = random.Below(_registers);
        i.MemoryBase = (bitness == 64 ? Register.RAX : Register.EAX) + b;
        i.MemoryIndex = (wide ? Register.YMM0 : Register.XMM0) + x;
        i.MemoryIndexScale = 1 << random.Below(4);
        vector.Gpr[b] = _target;
        bool quad = kind is OpCodeOperandKind.mem_vsib64x or OpCodeOperandKind.mem_vsib64y;
        for (int at = 0; at < 32; at += quad ? 8 : 4)
        {
            long index = random.Below(200) - 100;
            Span<byte> to = at < 16 ? vector.Legacy.AsSpan(160 + x * 16 + at) : vector.YmmHigh.AsSpan(x * 16 + at - 16);
            if (quad) BitConverter.TryWriteBytes(to, index);
            else BitConverter.TryWriteBytes(to, (int)index);
        }
    }
}
