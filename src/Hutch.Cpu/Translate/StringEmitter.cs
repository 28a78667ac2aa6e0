using Iced.Intel;

namespace Hutch.Cpu.Translate;

/// <summary>
/// MOVS, STOS, LODS with DF clear, and REP MOVS and REP STOS in chunks: from the current elements to the nearer page end, or RCX elements, in one host REP
/// instruction. After a chunk that leaves work the guest goes on at the same instruction through a block entry, which polls. Everything else (DF set, other
/// address sizes, segment overrides, pages that hold code) is the interpreter's.
/// </summary>
internal sealed unsafe class StringEmitter(Emission emission, MemoryEmitter memory, BranchEmitter branches)
{
    private const int First = HostState.Spill + 8, Second = HostState.Spill + 16, Third = HostState.Spill + 24, Fourth = HostState.Spill + 32;

    private readonly CodeWriter _code = emission.Code;

    /// <summary>Forms that are translated.</summary>
    public static bool IsTranslated(in Instruction i)
    {
        for (int n = 0; n < i.OpCount; n++)
            if (i.GetOpKind(n) is OpKind.MemorySegESI or OpKind.MemoryESEDI) return false;
        bool repeats = i.HasRepePrefix || i.HasRepnePrefix;
        return i.SegmentPrefix is not (Register.FS or Register.GS) && !(repeats && IsLoad(i.Code));
    }

    private static bool IsLoad(Code code) => code is Code.Lodsb_AL_m8 or Code.Lodsw_AX_m16 or Code.Lodsd_EAX_m32 or Code.Lodsq_RAX_m64;

    private static bool IsStore(Code code) => code is Code.Stosb_m8_AL or Code.Stosw_m16_AX or Code.Stosd_m32_EAX or Code.Stosq_m64_RAX;

    private static int ScaleOf(Code code) => code switch
    {
        Code.Movsb_m8_m8 or Code.Stosb_m8_AL or Code.Lodsb_AL_m8 => 0,
        Code.Movsw_m16_m16 or Code.Stosw_m16_AX or Code.Lodsw_AX_m16 => 1,
        Code.Movsd_m32_m32 or Code.Stosd_m32_EAX or Code.Lodsd_EAX_m32 => 2,
        _ => 3,
    };

    public void Emit(in GuestInstruction g)
    {
        emission.Flags.BeforeCheck(g.LiveIn);
        _code.CompareGsByte(HostState.DirectionFlag, 0);
        emission.Cold.Interpret(_code.JumpIfHole(HostState.NotEqual), g.Rip);
        if (g.Iced.HasRepePrefix || g.Iced.HasRepnePrefix) Repeat(g);
        else Once(g);
    }

    private void Once(in GuestInstruction g)
    {
        int scale = ScaleOf(g.Iced.Code), size = 1 << scale;
        if (IsStore(g.Iced.Code)) Store(HostState.Rax, memory.AccessAt(HostState.Rdi, 0, size, true, g.Rip, g.LiveIn), size);
        else
        {
            HostOperand source = memory.AccessAt(HostState.Rsi, 0, size, false, g.Rip, g.LiveIn);
            bool load = IsLoad(g.Iced.Code);
            Sized(size, load ? HostState.Rax : HostState.R10, false, source);
            if (!load) StoreLoaded(g, size);
            _code.Lea(HostState.Rsi, HostState.Rsi, -1, 0, size);
            if (load) return;
        }
        _code.Lea(HostState.Rdi, HostState.Rdi, -1, 0, size);
    }

    private void StoreLoaded(in GuestInstruction g, int size)
    {
        _code.StoreGs(First, HostState.R10);
        HostOperand target = memory.AccessAt(HostState.Rdi, 0, size, true, g.Rip, g.LiveIn);
        _code.Lea(HostState.R11, target);
        _code.LoadGs(HostState.R10, First);
        Store(HostState.R10, new HostOperand(HostState.R11), size);
    }

    private void Store(int register, in HostOperand to, int size) => Sized(size, register, true, to);

    private void Sized(int size, int register, bool store, in HostOperand operand)
    {
        if (size == 2) _code.Byte(0x66);
        _code.Memory((store ? 0x88 : 0x8a) | (size == 1 ? 0 : 1), size == 8, register, operand);
    }

    private void Repeat(in GuestInstruction g)
    {
        int scale = ScaleOf(g.Iced.Code);
        bool move = !IsStore(g.Iced.Code);
        _code.Bytes(0xc98548, 3);                    // test rcx, rcx
        byte* nothing = _code.JumpIfHole(HostState.Equal);
        if (move)
        {
            Chunk(g, HostState.Rsi, false, scale);
            _code.StoreGs(Third, HostState.R10);
            _code.StoreGs(Fourth, HostState.R11);
        }
        Chunk(g, HostState.Rdi, true, scale);
        if (move) Minimum(Fourth);
        _code.Bytes(0xd9394c, 3);                    // cmp rcx, r11
        _code.Bytes(0xd9420f4c, 4);                  // cmovb r11, rcx
        Run(scale, move);
        _code.Bytes(0xc98548, 3);                    // test rcx, rcx
        byte* more = _code.JumpIfHole(HostState.NotEqual);
        branches.Again(more, g.Rip);
        _code.Land(nothing);
    }

    // cmp r11, gs:[place]; cmova r11, gs:[place].
    private void Minimum(int place)
    {
        _code.Gs64(0x3b, HostState.R11, place);
        _code.Bytes(0x1c47_0f4c_65, 5);
        _code.Byte(0x25);
        _code.Dword(place);
    }

    // R10 = host address of the elements at an address register, R11 = how many there are to the page's end.
    private void Chunk(in GuestInstruction g, int address, bool write, int scale)
    {
        memory.PageAt(address, 1 << scale, write, g.Rip);
        _code.Lea(HostState.R10, HostState.R10, HostState.R11, 0, 0);
        _code.Bytes(0xdbf749, 3);                    // neg r11
        _code.Lea(HostState.R11, HostState.R11, -1, 0, 4096);
        if (scale == 0) return;
        _code.Bytes(0xebc149, 3);                    // shr r11, scale
        _code.Byte(scale);
    }

    // R10 = host target, R11 = elements; Third = host source of a move. Leaves RSI, RDI, RCX as the guest's after the chunk.
    private void Run(int scale, bool move)
    {
        _code.Bytes(0xd9294c, 3);                    // sub rcx, r11
        _code.StoreGs(First, HostState.Rcx);
        _code.StoreGs(Second, HostState.Rdi);
        if (move)
        {
            _code.StoreGs(Fourth, HostState.Rsi);
            _code.LoadGs(HostState.Rsi, Third);
        }
        _code.Move(HostState.Rdi, HostState.R10);
        _code.Move(HostState.Rcx, HostState.R11);
        _code.Byte(0xf3);
        if (scale == 1) _code.Byte(0x66);
        if (scale == 3) _code.Byte(0x48);
        _code.Byte((move ? 0xa4 : 0xaa) | (scale == 0 ? 0 : 1));
        if (move)
        {
            _code.LoadGs(HostState.Rsi, Fourth);
            _code.Lea(HostState.Rsi, HostState.Rsi, HostState.R11, scale, 0);
        }
        _code.LoadGs(HostState.Rdi, Second);
        _code.Lea(HostState.Rdi, HostState.Rdi, HostState.R11, scale, 0);
        _code.LoadGs(HostState.Rcx, First);
    }
}
