using System;

namespace Hutch.Cpu.Translate;

/// <summary>A host memory operand: base, optional index (scale 1), displacement.</summary>
internal struct HostOperand
{
    /// <summary>Base register, or -1.</summary>
    public int Base;

    /// <summary>Index register, or -1.</summary>
    public int Index;

    /// <summary>Displacement.</summary>
    public int Displacement;

    public HostOperand(int @base, int index = -1, int displacement = 0)
    {
        Base = @base;
        Index = index;
        Displacement = displacement;
    }

    /// <summary>No operand.</summary>
    public static readonly HostOperand None = new(-1);

    /// <summary>The operand uses the register.</summary>
    public readonly bool Uses(int register) => Base == register || Index == register;
}

/// <summary>
/// Writes host instructions. Registers are encoding numbers 0-15, offsets are from GS base. The caller has made sure that the output has room:
/// <see cref="BlockTranslator"/> bounds what an instruction can take before it starts.
/// </summary>
internal sealed unsafe class CodeWriter
{
    private byte* _start;
    private ulong _address;

    /// <summary>Where the next byte goes.</summary>
    public byte* At;

    // SAFETY: every method of this class writes at At, inside the capacity that BlockTranslator.Translate checked for the whole block.
    public void Begin(byte* output, ulong executeAddress)
    {
        _start = At = output;
        _address = executeAddress;
    }

    /// <summary>Bytes written so far.</summary>
    public int Offset => (int)(At - _start);

    /// <summary>The address at which what is at a position will execute.</summary>
    public ulong AddressOf(byte* position) => _address + (ulong)(position - _start);

    public void Byte(int value) => *At++ = (byte)value;

    /// <summary>The low <paramref name="count"/> bytes of a value, 1 to 8; the lowest comes first.</summary>
    public void Bytes(ulong littleEndian, int count)
    {
        *(ulong*)At = littleEndian;
        At += count;
    }

    public void Dword(int value)
    {
        *(int*)At = value;
        At += 4;
    }

    public void Qword(ulong value)
    {
        *(ulong*)At = value;
        At += 8;
    }

    public void Copy(byte* source, int count)
    {
        Buffer.MemoryCopy(source, At, count, count);
        At += count;
    }

    // ---- jumps

    /// <summary>Leaves four bytes for a relative target and returns where they are.</summary>
    public byte* Hole()
    {
        byte* hole = At;
        At += 4;
        return hole;
    }

    /// <summary>Makes a hole lead to the current position.</summary>
    public void Land(byte* hole) => *(int*)hole = (int)(At - hole - 4);

    /// <summary>Makes a short jump's one-byte hole lead to the current position.</summary>
    public void LandShort(byte* hole) => *hole = (byte)(At - hole - 1);

    private void Relative(ulong target)
    {
        *(int*)At = (int)((long)target - (long)AddressOf(At) - 4);
        At += 4;
    }

    public void Jump(ulong target)
    {
        Byte(0xe9);
        Relative(target);
    }

    public void Call(ulong target)
    {
        Byte(0xe8);
        Relative(target);
    }

    public void JumpIf(int condition, ulong target)
    {
        Bytes((ulong)(0x800f | condition << 8), 2);
        Relative(target);
    }

    public void JumpBack(byte* position)
    {
        Byte(0xe9);
        Dword((int)(position - At - 4));
    }

    public byte* JumpHole()
    {
        Byte(0xe9);
        return Hole();
    }

    public byte* JumpIfHole(int condition)
    {
        Bytes((ulong)(0x800f | condition << 8), 2);
        return Hole();
    }

    /// <summary>A jump with an 8-bit displacement; returns the hole for <see cref="LandShort"/>.</summary>
    public byte* ShortHole(int opcode)
    {
        Byte(opcode);
        return At++;
    }

    /// <summary>jmp gs:[offset].</summary>
    public void JumpGs(int offset)
    {
        Bytes(0x2524ff65, 4);
        Dword(offset);
    }

    // ---- moves

    /// <summary>mov to, from (64 bits).</summary>
    public void Move(int to, int from) => Bytes((ulong)(0xc08948 | (from >> 3) << 2 | to >> 3 | ((from & 7) << 3 | (to & 7)) << 16), 3);

    /// <summary>mov to, from (32 bits).</summary>
    public void Move32(int to, int from) => Bytes((ulong)(0xc08940 | (from >> 3) << 2 | to >> 3 | ((from & 7) << 3 | (to & 7)) << 16), 3);

    /// <summary>Loads a constant in its shortest form that leaves flags alone.</summary>
    public void Load(int register, ulong value)
    {
        if (value <= uint.MaxValue)
        {
            if (register >= 8) Byte(0x41);
            Byte(0xb8 | (register & 7));
            Dword((int)value);
        }
        else if ((ulong)(int)value == value)
        {
            Bytes((ulong)(0xc0c748 | register >> 3 | (register & 7) << 16), 3);
            Dword((int)value);
        }
        else
        {
            Bytes((ulong)(0xb848 | register >> 3 | (register & 7) << 8), 2);
            Qword(value);
        }
    }

    /// <summary>An instruction with a 64-bit register operand and gs:[offset].</summary>
    public void Gs64(int opcode, int register, int offset)
    {
        Bytes((uint)(0x65 | (0x48 | (register >> 3) << 2) << 8 | opcode << 16 | ((register & 7) << 3 | 4) << 24) | 0x25UL << 32, 5);
        Dword(offset);
    }

    /// <summary>As <see cref="Gs64"/> with a 32-bit (or, for byte opcodes, low byte) register.</summary>
    public void Gs32(int opcode, int register, int offset)
    {
        Bytes((uint)(0x65 | (0x40 | (register >> 3) << 2) << 8 | opcode << 16 | ((register & 7) << 3 | 4) << 24) | 0x25UL << 32, 5);
        Dword(offset);
    }

    /// <summary>mov register, gs:[offset] (64 bits).</summary>
    public void LoadGs(int register, int offset) => Gs64(0x8b, register, offset);

    /// <summary>mov gs:[offset], register (64 bits).</summary>
    public void StoreGs(int offset, int register) => Gs64(0x89, register, offset);

    /// <summary>mov byte gs:[offset], value.</summary>
    public void StoreGsByte(int offset, int value)
    {
        Bytes(0x2504c665, 4);
        Dword(offset);
        Byte(value);
    }

    /// <summary>cmp byte gs:[offset], value.</summary>
    public void CompareGsByte(int offset, int value)
    {
        Bytes(0x253c8065, 4);
        Dword(offset);
        Byte(value);
    }

    // ---- memory operands

    /// <summary>An instruction of a one-byte opcode with a register and a memory operand.</summary>
    public void Memory(int opcode, bool wide, int register, in HostOperand operand)
    {
        int rex = 0x40 | (wide ? 8 : 0) | (register >> 3) << 2 | (operand.Index >= 8 ? 2 : 0) | (operand.Base >= 8 ? 1 : 0);
        if (rex != 0x40) Byte(rex);
        Byte(opcode);
        ModRm(register & 7, operand.Base, operand.Index, 0, operand.Displacement);
    }

    /// <summary>lea register, [base + index &lt;&lt; scale + displacement]; narrow: 32 bits.</summary>
    public void Lea(int register, int @base, int index, int scale, int displacement, bool wide = true)
    {
        Byte(0x40 | (wide ? 8 : 0) | (register >> 3) << 2 | (index >= 8 ? 2 : 0) | (@base >= 8 ? 1 : 0));
        Byte(0x8d);
        ModRm(register & 7, @base, index, scale, displacement);
    }

    /// <summary>lea register, [operand].</summary>
    public void Lea(int register, in HostOperand operand) => Lea(register, operand.Base, operand.Index, 0, operand.Displacement);

    /// <summary>ModRM, SIB and displacement of a memory operand. Base and index may be -1; the index is never RSP.</summary>
    public void ModRm(int field, int @base, int index, int scale, int displacement)
    {
        if (@base < 0)
        {
            Byte(field << 3 | 4);
            Byte(scale << 6 | (index < 0 ? 4 : index & 7) << 3 | 5);
            Dword(displacement);
            return;
        }
        int low = @base & 7;
        int mod = displacement == 0 && low != 5 ? 0 : displacement is >= -128 and < 128 ? 1 : 2;
        if (index < 0 && low != 4) Byte(mod << 6 | field << 3 | low);
        else
        {
            Byte(mod << 6 | field << 3 | 4);
            Byte(scale << 6 | (index < 0 ? 4 : index & 7) << 3 | low);
        }
        if (mod == 1) Byte(displacement);
        else if (mod == 2) Dword(displacement);
    }

    // ---- flags

    /// <summary>Stores the arithmetic flags in FlagSave. Uses R10; destroys OF's and the other flags' places in no way.</summary>
    public void ParkFlags()
    {
        Bytes(0x900f_9fc2_8949, 6);                  // mov r10, rax; lahf; seto
        Byte(0xc0);                                  // al
        Bytes(0x25_0489_6665, 5);                    // mov gs:[FlagSave], ax
        Dword(HostState.FlagSave);
        Bytes(0xd0894c, 3);                          // mov rax, r10
    }

    /// <summary>Loads the arithmetic flags from FlagSave. Uses R10.</summary>
    public void RestoreFlags()
    {
        Bytes(0xc28949, 3);                          // mov r10, rax
        Bytes(0x25_04b7_0f65, 5);                    // movzx eax, word gs:[FlagSave]
        Dword(HostState.FlagSave);
        Bytes(0xd0_894c_9e7f_04, 6);                 // add al, 127; sahf; mov rax, r10
    }
}
