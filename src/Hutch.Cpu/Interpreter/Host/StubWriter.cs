using Hutch.Cpu.State;

namespace Hutch.Cpu.Interpreter.Host;

/// <summary>
/// Writes the few host instructions that stubs are made of, at an address that its owner has room at. Register numbers are encoding numbers.
/// </summary>
internal unsafe ref struct StubWriter
{
    public const int Rax = 0, Rcx = 1, Rdx = 2, Rsp = 4, Rsi = 6, Rdi = 7;

    private readonly byte* _start;
    private byte* _at;

    /// <param name="start">Where the first byte goes.</param>
    public StubWriter(byte* start) => _start = _at = start;

    /// <summary>Bytes written so far.</summary>
    public readonly int Length => (int)(_at - _start);

    /// <summary>One byte.</summary>
    public void Byte(byte value) => *_at++ = value;

    /// <summary>Some bytes.</summary>
    public void Bytes(scoped System.ReadOnlySpan<byte> bytes)
    {
        foreach (byte value in bytes) *_at++ = value;
    }

    /// <summary>PUSH r64.</summary>
    public void Push(int register)
    {
        if (register >= 8) Byte(0x41);
        Byte((byte)(0x50 | (register & 7)));
    }

    /// <summary>POP r64.</summary>
    public void Pop(int register)
    {
        if (register >= 8) Byte(0x41);
        Byte((byte)(0x58 | (register & 7)));
    }

    /// <summary>MOV r64, r64.</summary>
    public void Move(int to, int from) => RegisterForm(0x8b, to, from);

    /// <summary>MOV r64, [base + displacement].</summary>
    public void Load(int register, int @base, int displacement) => MemoryForm(0x8b, register, @base, displacement);

    /// <summary>MOV [base + displacement], r64.</summary>
    public void Store(int @base, int displacement, int register) => MemoryForm(0x89, register, @base, displacement);

    /// <summary>Loads CF, PF, AF, ZF, SF and OF from the context at RDI. Destroys RAX and RCX.</summary>
    public void LoadFlags()
    {
        MemoryForm(0x8b, Rax, Rdi, Offsets.ArithmeticFlags);
        Bytes([0x89, 0xc1]);                // mov ecx, eax
        Bytes([0xc1, 0xe9, 0x04]);          // shr ecx, 4           OF to bit 7
        Bytes([0x80, 0xe1, 0x80]);          // and cl, 0x80
        Bytes([0x80, 0xc1, 0x80]);          // add cl, 0x80         overflows exactly if it was set
        Bytes([0x88, 0xc4]);                // mov ah, al
        Byte(0x9e);                         // sahf                 the rest; leaves OF
    }

    /// <summary>Stores the arithmetic flags to the context at RDI. Destroys RAX and RCX.</summary>
    public void StoreFlags()
    {
        Byte(0x9f);                         // lahf
        Bytes([0x0f, 0x90, 0xc0]);          // seto al
        Bytes([0x0f, 0xb6, 0xcc]);          // movzx ecx, ah
        Bytes([0x0f, 0xb6, 0xc0]);          // movzx eax, al
        Bytes([0x81, 0xe1, 0xd5, 0, 0, 0]); // and ecx, SF|ZF|AF|PF|CF
        Bytes([0xc1, 0xe0, 0x0b]);          // shl eax, 11
        Bytes([0x09, 0xc1]);                // or ecx, eax
        Store(Rdi, Offsets.ArithmeticFlags, Rcx);
    }

    /// <summary>XRSTOR64 of some state components from the context at RDI. Destroys RAX and RDX.</summary>
    public void RestoreVectors(byte components)
    {
        SelectComponents(components);
        Bytes([0x48, 0x0f, 0xae]);
        Operand(5, Rdi, VcpuContext.XsaveOffset);
    }

    /// <summary>XSAVE64 of some state components to the context at RDI. Destroys RAX and RDX.</summary>
    public void SaveVectors(byte components)
    {
        SelectComponents(components);
        Bytes([0x48, 0x0f, 0xae]);
        Operand(4, Rdi, VcpuContext.XsaveOffset);
    }

    /// <summary>Puts x87 and SSE control state back to what compiled code expects. Uses the 8 bytes at RSP.</summary>
    public void RestoreHostVectorDefaults(bool x87, bool avx)
    {
        if (x87) Bytes([0xdb, 0xe3]);                               // fninit
        Bytes([0xc7, 0x04, 0x24, 0x80, 0x1f, 0, 0]);                // mov dword [rsp], 0x1f80
        Bytes([0x0f, 0xae, 0x14, 0x24]);                            // ldmxcsr [rsp]
        if (avx) Bytes([0xc5, 0xf8, 0x77]);                         // vzeroupper
    }

    /// <summary>LEA RSP, [RSP + displacement]: leaves the flags.</summary>
    public void AdjustStack(int displacement) => MemoryForm(0x8d, Rsp, Rsp, displacement);

    /// <summary>RET.</summary>
    public void Return() => Byte(0xc3);

    private void SelectComponents(byte components)
    {
        Bytes([0xb8, components, 0, 0, 0]); // mov eax, components
        Bytes([0x31, 0xd2]);                // xor edx, edx
    }

    private void RegisterForm(byte opcode, int register, int rm)
    {
        Byte((byte)(0x48 | (register >> 3) << 2 | (rm >> 3)));
        Byte(opcode);
        Byte((byte)(0xc0 | (register & 7) << 3 | (rm & 7)));
    }

    private void MemoryForm(byte opcode, int register, int @base, int displacement)
    {
        Byte((byte)(0x48 | (register >> 3) << 2 | (@base >> 3)));
        Byte(opcode);
        Operand(register, @base, displacement);
    }

    private void Operand(int register, int @base, int displacement)
    {
        Byte((byte)(0x80 | (register & 7) << 3 | (@base & 7)));
        if ((@base & 7) == Rsp) Byte(0x24);
        *(int*)_at = displacement;
        _at += sizeof(int);
    }
}

/// <summary>Offsets of <see cref="VcpuContext"/> that stubs use.</summary>
internal static class Offsets
{
    public const int Gpr = 0, ArithmeticFlags = 0x88;
}
