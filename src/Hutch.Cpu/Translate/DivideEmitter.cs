namespace Hutch.Cpu.Translate;

/// <summary>
/// DIV and IDIV. The divisor is read once, into R10; where #DE is possible the interpreter takes the instruction. IDIV runs here only for a dividend
/// that is a sign-extended accumulator and a divisor other than 0 and -1, which cannot overflow.
/// </summary>
internal sealed unsafe class DivideEmitter(Emission emission, MemoryEmitter memory, PassThroughEmitter passThrough)
{
    private const int Signed = 7;

    private readonly CodeWriter _code = emission.Code;

    /// <summary>Forms that are translated: not AH to BH as divisor, and signed ones of 32 and 64 bits only.</summary>
    public static bool IsTranslated(in InstructionEncoding e)
    {
        bool high = e.Opcode == 0xf6 && !e.IsMemory && e.Rex == 0 && e.Rm is >= 4 and < 8;
        return !high && ((e.Reg & 7) != Signed || Size(e) >= 4);
    }

    private static int Size(in InstructionEncoding e) => e.Opcode == 0xf6 ? 1 : (e.Rex & 8) != 0 ? 8 : e.OperandSize ? 2 : 4;

    public void Emit(in GuestInstruction g, byte* bytes)
    {
        ref readonly InstructionEncoding e = ref g.Encoding;
        int size = Size(e);
        emission.Flags.BeforeCheck(g.LiveIn);
        if (e.IsMemory) LoadDivisor(size, memory.Access(g, size, false));
        else LoadDivisor(size, e.Rm);
        HostOperand none = HostOperand.None;
        emission.Flags.BeforeOperation(g, ref none);
        if ((e.Reg & 7) == Signed) GuardSigned(g, size == 8);
        else GuardUnsigned(g, size);
        passThrough.WriteWithRm(e, bytes, HostState.R10);
    }

    private void LoadDivisor(int size, in HostOperand from)
    {
        if (size >= 4)
        {
            _code.Memory(0x8b, size == 8, HostState.R10, from);
            return;
        }
        _code.Byte(0x44 | (from.Index >= 8 ? 2 : 0) | from.Base >> 3);   // movzx r10d, byte/word [from]
        _code.Byte(0x0f);
        _code.Byte(size == 1 ? 0xb6 : 0xb7);
        _code.ModRm(HostState.R10 & 7, from.Base, from.Index, 0, from.Displacement);
    }

    private void LoadDivisor(int size, int guest)
    {
        int from = guest == HostState.Rsp ? HostState.GuestRsp : guest;
        if ((HostState.ResidentMask >> guest & 1) != 0) _code.LoadGs(from = HostState.R10, HostState.GprOffset(guest));
        if (size == 8) _code.Move(HostState.R10, from);
        else if (size == 4) _code.Move32(HostState.R10, from);
        else _code.Bytes((uint)(0x0f44 | from >> 3 | (size == 1 ? 0xb6 : 0xb7) << 16 | (0xd0 | (from & 7)) << 24), 4);
    }

    private void GuardUnsigned(in GuestInstruction g, int size)
    {
        switch (size)
        {
            case 1:
                _code.Bytes(0xd8b70f44, 4);          // movzx r11d, ax
                _code.Bytes(0x08eb_c141, 4);         // shr r11d, 8
                _code.Bytes(0xd33945, 3);            // cmp r11d, r10d
                break;
            case 2:
                _code.Bytes(0xdab70f44, 4);          // movzx r11d, dx
                _code.Bytes(0xd33945, 3);
                break;
            case 4:
                _code.Bytes(0xd23944, 3);            // cmp edx, r10d
                break;
            default:
                _code.Bytes(0xd2394c, 3);            // cmp rdx, r10
                break;
        }
        emission.Cold.Interpret(_code.JumpIfHole(HostState.AboveOrEqual), g.Rip);
    }

    private void GuardSigned(in GuestInstruction g, bool wide)
    {
        if (wide)
        {
            _code.Move(HostState.R11, HostState.Rax);
            _code.Bytes(0x3ffb_c149, 4);             // sar r11, 63
            _code.Bytes(0xd33949, 3);                // cmp r11, rdx
        }
        else
        {
            _code.Move32(HostState.R11, HostState.Rax);
            _code.Bytes(0x1ffb_c141, 4);             // sar r11d, 31
            _code.Bytes(0xd33941, 3);                // cmp r11d, edx
        }
        emission.Cold.Interpret(_code.JumpIfHole(HostState.NotEqual), g.Rip);
        _code.Lea(HostState.R11, HostState.R10, -1, 0, 1, wide);
        _code.Bytes(wide ? 0x01fb_8349u : 0x01fb_8341u, 4);   // cmp r11, 1
        emission.Cold.Interpret(_code.JumpIfHole(HostState.BelowOrEqual), g.Rip);
    }
}
