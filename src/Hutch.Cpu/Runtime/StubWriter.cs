namespace Hutch.Cpu.Runtime;

/// <summary>Writes the few instructions that stubs are made of (Intel SDM 2). Registers by number: 0 RAX … 15 R15. Displacements are offsets from GS base.</summary>
internal unsafe ref struct StubWriter(byte* at)
{
    private readonly byte* _start = at;
    private byte* _at = at;

    /// <summary>Bytes written.</summary>
    public readonly int Length => (int)(_at - _start);

    public void Bytes(params System.ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes) *_at++ = b;
    }

    public void Imm32(int value)
    {
        System.Runtime.CompilerServices.Unsafe.WriteUnaligned(_at, value);
        _at += 4;
    }

    private void Imm64(ulong value)
    {
        System.Runtime.CompilerServices.Unsafe.WriteUnaligned(_at, value);
        _at += 8;
    }

    /// <summary>mov gs:[offset], r64</summary>
    public void Store(int offset, int register) => Gs(0x89, register, offset, wide: true);

    /// <summary>mov r64, gs:[offset]</summary>
    public void Load(int register, int offset) => Gs(0x8b, register, offset, wide: true);

    /// <summary>cmp r64, gs:[offset]</summary>
    public void Compare(int register, int offset) => Gs(0x3b, register, offset, wide: true);

    /// <summary>mov byte gs:[offset], imm8</summary>
    public void StoreByte(int offset, byte value)
    {
        Gs(0xc6, 0, offset, wide: false);
        Bytes(value);
    }

    /// <summary>cmp byte gs:[offset], 0</summary>
    public void TestByte(int offset)
    {
        Gs(0x80, 7, offset, wide: false);
        Bytes(0);
    }

    /// <summary>push qword gs:[offset]</summary>
    public void Push(int offset) => Gs(0xff, 6, offset, wide: false);

    /// <summary>pop qword gs:[offset]</summary>
    public void Pop(int offset) => Gs(0x8f, 0, offset, wide: false);

    /// <summary>jmp qword gs:[offset]</summary>
    public void JumpTo(int offset) => Gs(0xff, 4, offset, wide: false);

    /// <summary>A two-byte-opcode instruction (0F xx /digit) on gs:[offset].</summary>
    public void Extended(byte opcode, int digit, int offset, bool wide)
    {
        Bytes(0x65);
        if (wide) Bytes(0x48);
        Bytes(0x0f, opcode, (byte)(digit << 3 | 4), 0x25);
        Imm32(offset);
    }

    /// <summary>mov r64, imm64</summary>
    public void Move(int register, ulong value)
    {
        Bytes((byte)(0x48 | register >> 3), (byte)(0xb8 | register & 7));
        Imm64(value);
    }

    /// <summary>jz/jnz rel8 with the displacement to be filled by <see cref="Here"/>. Returns the place to fill.</summary>
    public byte* JumpIf(bool zero)
    {
        Bytes(zero ? (byte)0x74 : (byte)0x75, 0);
        return _at - 1;
    }

    /// <summary>Lets a short jump lead here.</summary>
    public readonly void Here(byte* displacement) => *displacement = (byte)(_at - displacement - 1);

    /// <summary>jmp rel32 to a place that was written earlier, given as an offset from the start of this writer's buffer.</summary>
    public void Jump(int offset)
    {
        Bytes(0xe9);
        Imm32(offset - Length - 4);
    }

    private void Gs(byte opcode, int register, int offset, bool wide)
    {
        Bytes(0x65);
        int rex = (wide ? 0x48 : 0x40) | (register >> 3 << 2);
        if (rex != 0x40) Bytes((byte)rex);
        Bytes(opcode, (byte)((register & 7) << 3 | 4), 0x25);
        Imm32(offset);
    }
}
