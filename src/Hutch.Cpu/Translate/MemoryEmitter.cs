using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Translate;

/// <summary>
/// Effective addresses and the inline TLB check (docs/internals/cpu-engine.md, "Memory access in translated code"). Uses R10 and R11 only. Before a check the live
/// flags are parked; after it the host's flags hold nothing.
/// </summary>
internal sealed unsafe class MemoryEmitter(Emission emission)
{
    private const int WriteField = 8, HostField = 16;

    private readonly CodeWriter _code = emission.Code;

    /// <summary>Checks the explicit memory operand of an instruction. Returns where its bytes are in the host.</summary>
    /// <param name="instruction">The instruction; its LiveIn flags are kept.</param>
    /// <param name="size">Bytes accessed.</param>
    /// <param name="write">Stored to, or read and stored to.</param>
    /// <param name="alignment">Alignment that the processor demands, or 0.</param>
    /// <param name="stackAdjust">Added to the guest's RSP where it is the base (POP counts it after its increment).</param>
    public HostOperand Access(in GuestInstruction instruction, int size, bool write, int alignment = 0, int stackAdjust = 0)
    {
        emission.Flags.BeforeCheck(instruction.LiveIn);
        ref readonly Instruction i = ref instruction.Iced;
        bool segment = i.MemorySegment is Register.FS or Register.GS;
        if (!segment && IsConstant(i))
        {
            ulong address = ConstantAddress(i);
            if ((int)(address & 0xfff) + size <= 4096 && (alignment == 0 || (address & (ulong)(alignment - 1)) == 0))
                return Constant(address, size, write, instruction.Rip);
            _code.Load(HostState.R11, address);
        }
        else if (segment) SegmentAddress(i, stackAdjust);
        else Address(i, HostState.R11, stackAdjust);
        return Check(instruction.Rip, size, write, alignment);
    }

    /// <summary>Checks an access at a host register plus displacement. <paramref name="live"/>: flags to keep.</summary>
    public HostOperand AccessAt(int @base, int displacement, int size, bool write, ulong rip, byte live)
    {
        emission.Flags.BeforeCheck(live);
        if (displacement == 0) _code.Move(HostState.R11, @base);
        else _code.Lea(HostState.R11, @base, -1, 0, displacement);
        return Check(rip, size, write, 0);
    }

    /// <summary>Checks the word of a bit string that the bit offset in ModRM.reg selects.</summary>
    public HostOperand AccessBitString(in GuestInstruction g, int size, int scale, bool write)
    {
        emission.Flags.BeforeCheck(g.LiveIn);
        if (g.Iced.MemorySegment is Register.FS or Register.GS) SegmentAddress(g.Iced, 0);
        else Address(g.Iced, HostState.R11);
        Fetch(g.Encoding.Reg, HostState.R10, size);
        _code.Bytes(0xfac149, 3);                    // sar r10, log2(bits)
        _code.Byte(scale + 3);
        _code.Lea(HostState.R11, HostState.R11, HostState.R10, scale, 0);
        return Check(g.Rip, size, write, 0);
    }

    /// <summary>Loads a guest register of 2, 4 or 8 bytes, sign-extended.</summary>
    public void Fetch(int guest, int to, int size)
    {
        int from = guest == HostState.Rsp ? HostState.GuestRsp : guest;
        if ((HostState.ResidentMask >> guest & 1) != 0) _code.LoadGs(from = to, HostState.GprOffset(guest));
        int rex = 0x48 | (to >> 3) << 2 | from >> 3, modRm = 0xc0 | (to & 7) << 3 | (from & 7);
        if (size == 2) _code.Bytes((uint)(rex | 0xbf0f << 8 | modRm << 24), 4);
        else if (size == 4) _code.Bytes((uint)(rex | 0x63 << 8 | modRm << 16), 3);
        else if (from != to) _code.Move(to, from);
    }

    /// <summary>
    /// Finds the page of an access in the TLB: R10 = host address of the page, R11 = offset in it. A miss fills the TLB by the slow path and looks again; what cannot be
    /// in the TLB goes to the interpreter. Flags are parked or dead.
    /// </summary>
    public void PageAt(int address, int size, bool write, ulong rip)
    {
        byte* slow = LookUp(address, size, write);
        _code.Bytes(0x928b4d65, 4);                  // mov r10, gs:[r10 + host]
        _code.Dword(HostState.TlbField(emission.Access, HostField));
        emission.Cold.SlowPage(slow, slow + 4, rip, size, write, address);
    }

    /// <summary>Looks up an address register in the TLB: R10 = offset of the entry, R11 = offset in the page; returns the hole of the jump on a miss.</summary>
    public byte* LookUp(int address, int size, bool write)
    {
        _code.Move(HostState.R11, address);
        _code.Bytes(0x07ea_c141_da89_45, 7);         // mov r10d, r11d; shr r10d, 7
        _code.Bytes(0xe28141, 3);                    // and r10d, mask
        _code.Dword(ContextLayout.TlbIndexMask);
        ColdParts.SubtractTag(_code, HostState.TlbField(emission.Access, write ? WriteField : 0));
        _code.Bytes(0xfb8149, 3);                    // cmp r11, 4096 - size
        _code.Dword(4096 - size);
        return _code.JumpIfHole(HostState.Above);
    }

    /// <summary>Computes the effective address without segment base into a host register other than R10 (R11 is used too). Leaves flags alone.</summary>
    public void Address(in Instruction i, int to, int stackAdjust = 0, bool wide = true)
    {
        if (IsConstant(i))
        {
            ulong address = ConstantAddress(i);
            _code.Load(to, wide ? address : (uint)address);
            return;
        }
        bool narrow = !wide || HasNarrowAddress(i);
        int guestBase = Number(i.MemoryBase), guestIndex = Number(i.MemoryIndex);
        int @base = Fetch(guestBase, HostState.R11), index = Fetch(guestIndex, HostState.R10);
        int displacement = (int)i.MemoryDisplacement64;
        if (guestBase == HostState.Rsp) displacement += stackAdjust;
        int scale = System.Numerics.BitOperations.TrailingZeroCount(i.MemoryIndexScale);
        if (!narrow && displacement == 0 && index < 0 && @base >= 0)
        {
            if (@base != to) _code.Move(to, @base);
            return;
        }
        _code.Lea(to, @base, index, scale, displacement, !narrow);
    }

    private void SegmentAddress(in Instruction i, int stackAdjust)
    {
        int segmentBase = i.MemorySegment == Register.FS ? HostState.FsBase : HostState.GsBase;
        if (IsConstant(i))
        {
            ulong address = ConstantAddress(i);
            if ((ulong)(int)address == address)
            {
                _code.LoadGs(HostState.R11, segmentBase);
                if (address != 0) _code.Lea(HostState.R11, HostState.R11, -1, 0, (int)address);
                return;
            }
        }
        Address(i, HostState.R11, stackAdjust);
        _code.Gs64(0x03, HostState.R11, segmentBase);
    }

    /// <summary>The operand has 32-bit addresses. Without any register its displacement's size says so.</summary>
    public static bool HasNarrowAddress(in Instruction i) => i.MemoryBase is (>= Register.EAX and <= Register.R15D) or Register.EIP
        || i.MemoryIndex is >= Register.EAX and <= Register.R15D || (i.MemoryBase == Register.None && i.MemoryIndex == Register.None && i.MemoryDisplSize != 8);

    private static bool IsConstant(in Instruction i) => i.MemoryIndex == Register.None && i.MemoryBase is Register.None or Register.RIP or Register.EIP;

    private static ulong ConstantAddress(in Instruction i)
    {
        return HasNarrowAddress(i) ? (uint)i.MemoryDisplacement64 : i.MemoryDisplacement64;
    }

    private static int Number(Register register) => register switch
    {
        >= Register.RAX and <= Register.R15 => register - Register.RAX,
        >= Register.EAX and <= Register.R15D => register - Register.EAX,
        _ => -1,
    };

    /// <summary>The host register that holds a guest register; one that lives in the context is loaded into the scratch register.</summary>
    private int Fetch(int guest, int scratch)
    {
        if (guest < 0) return -1;
        if (guest == HostState.Rsp) return HostState.GuestRsp;
        if ((HostState.ResidentMask >> guest & 1) == 0) return guest;
        _code.LoadGs(scratch, HostState.GprOffset(guest));
        return scratch;
    }

    // R11 = linear address.
    private HostOperand Check(ulong rip, int size, bool write, int alignment)
    {
        if (alignment > 1)
        {
            _code.Bytes(0xc3f641, 3);                // test r11b, alignment - 1
            _code.Byte(alignment - 1);
            emission.Cold.Interpret(_code.JumpIfHole(HostState.NotEqual), rip);
        }
        _code.Bytes(0x07ea_c141_da89_45, 7);         // mov r10d, r11d; shr r10d, 7
        _code.Bytes(0xe28141, 3);                    // and r10d, mask
        _code.Dword(ContextLayout.TlbIndexMask);
        ColdParts.SubtractTag(_code, HostState.TlbField(emission.Access, write ? WriteField : 0));
        _code.Bytes(0xfb8149, 3);                    // cmp r11, 4096 - size
        _code.Dword(4096 - size);
        byte* slow = _code.JumpIfHole(HostState.Above);
        _code.Bytes(0x928b4d65, 4);                  // mov r10, gs:[r10 + host]
        _code.Dword(HostState.TlbField(emission.Access, HostField));
        emission.Cold.SlowAccess(slow, _code.At, rip, size, write);
        return new HostOperand(HostState.R11, HostState.R10);
    }

    private HostOperand Constant(ulong address, int size, bool write, ulong rip)
    {
        int slot = (int)((address >> 7) & ContextLayout.TlbIndexMask), field = write ? WriteField : 0;
        ulong page = address & ~0xfffUL;
        if ((ulong)(int)page == page)
        {
            _code.Bytes(0x25_3c81_4865, 5);          // cmp qword gs:[tag], page
            _code.Dword(HostState.TlbField(emission.Access, field) + slot);
            _code.Dword((int)page);
        }
        else
        {
            _code.Load(HostState.R10, page);
            _code.Gs64(0x39, HostState.R10, HostState.TlbField(emission.Access, field) + slot);
        }
        byte* slow = _code.JumpIfHole(HostState.NotEqual);
        _code.LoadGs(HostState.R10, HostState.TlbField(emission.Access, HostField) + slot);
        emission.Cold.SlowConstant(slow, _code.At, rip, size, write, address, HostState.TlbField(emission.Access, field));
        return new HostOperand(HostState.R10, -1, (int)(address & 0xfff));
    }
}
