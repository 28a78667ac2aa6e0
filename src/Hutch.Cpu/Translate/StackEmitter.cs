using Iced.Intel;

namespace Hutch.Cpu.Translate;

/// <summary>PUSH, POP, PUSHFQ, LEAVE with 64-bit operands, and the stack side of calls. The guest's RSP changes only after the access is known to be good.</summary>
internal sealed unsafe class StackEmitter(Emission emission, MemoryEmitter memory)
{
    private const int Value = HostState.Spill + 8;
    private const int RfAndVm = 0x30000;

    private readonly CodeWriter _code = emission.Code;

    public void PushRegister(in GuestInstruction g)
    {
        int guest = g.Iced.Op0Register - Register.RAX;
        HostOperand slot = PushSlot(g);
        if ((HostState.ResidentMask >> guest & 1) != 0)
        {
            _code.Lea(HostState.R11, slot);
            _code.LoadGs(HostState.R10, HostState.GprOffset(guest));
            slot = new HostOperand(HostState.R11);
            guest = HostState.R10;
        }
        else if (guest == HostState.Rsp) guest = HostState.GuestRsp;
        _code.Memory(0x89, true, guest, slot);
        AdjustRsp(-8);
    }

    /// <summary>Pushes a constant.</summary>
    public void PushConstant(in GuestInstruction g, ulong value)
    {
        HostOperand slot = PushSlot(g);
        if ((ulong)(int)value == value)
        {
            _code.Memory(0xc7, true, 0, slot);
            _code.Dword((int)value);
        }
        else
        {
            _code.Lea(HostState.R11, slot);
            _code.Load(HostState.R10, value);
            _code.Memory(0x89, true, HostState.R10, new HostOperand(HostState.R11));
        }
        AdjustRsp(-8);
    }

    public void PushMemory(in GuestInstruction g)
    {
        if (g.Iced.Op0Kind == OpKind.Register)
        {
            PushRegister(g);
            return;
        }
        LoadValue(memory.Access(g, 8, false));
        StoreValue(PushSlot(g));
        AdjustRsp(-8);
    }

    public void PopRegister(in GuestInstruction g)
    {
        int guest = g.Iced.Op0Register - Register.RAX;
        HostOperand slot = memory.AccessAt(HostState.GuestRsp, 0, 8, false, g.Rip, g.LiveIn);
        if ((HostState.ResidentMask >> guest & 1) != 0)
        {
            _code.Memory(0x8b, true, HostState.R11, slot);
            _code.StoreGs(HostState.GprOffset(guest), HostState.R11);
        }
        else _code.Memory(0x8b, true, guest == HostState.Rsp ? HostState.GuestRsp : guest, slot);
        if (guest != HostState.Rsp) AdjustRsp(8);
    }

    public void PopMemory(in GuestInstruction g)
    {
        if (g.Iced.Op0Kind == OpKind.Register)
        {
            PopRegister(g);
            return;
        }
        LoadValue(memory.AccessAt(HostState.GuestRsp, 0, 8, false, g.Rip, g.LiveIn));
        StoreValue(memory.Access(g, 8, true, stackAdjust: 8));
        AdjustRsp(8);
    }

    /// <summary>PUSHFQ. Arithmetic flags come from FlagSave, where the check has parked them; the rest from the context.</summary>
    public void PushFlags(in GuestInstruction g)
    {
        HostOperand slot = PushSlot(g);
        _code.Lea(HostState.R11, slot);
        _code.Bytes(0x14b6_0f44_65, 5);              // movzx r10d, byte gs:[FlagSave + 1]
        _code.Byte(0x25);
        _code.Dword(HostState.FlagSave + 1);
        _code.Bytes(0xe28141, 3);                    // and r10d, CF PF AF ZF SF
        _code.Dword(0xd5);
        OrIf(HostState.FlagSave, 0x800);
        OrIf(HostState.InterruptFlag, 0x200);
        OrIf(HostState.DirectionFlag, 0x400);
        OrIf(HostState.AlignmentCheck, 0x40000);
        _code.Gs32(0x0b, HostState.R10, HostState.SystemFlags);
        _code.Bytes(0xe28141, 3);
        _code.Dword(~RfAndVm);
        _code.Bytes(0x02ca8341, 4);                  // or r10d, 2
        _code.Memory(0x89, true, HostState.R10, new HostOperand(HostState.R11));
        AdjustRsp(-8);
    }

    private void OrIf(int place, int flag)
    {
        _code.CompareGsByte(place, 0);
        byte* skip = _code.ShortHole(0x74);
        _code.Bytes(0xca8141, 3);                    // or r10d, flag
        _code.Dword(flag);
        _code.LandShort(skip);
    }

    public void Leave(in GuestInstruction g)
    {
        HostOperand slot = memory.AccessAt(HostState.Rbp, 0, 8, false, g.Rip, g.LiveIn);
        _code.Lea(HostState.GuestRsp, HostState.Rbp, -1, 0, 8);
        _code.Memory(0x8b, true, HostState.Rbp, slot);
    }

    /// <summary>Loads the return address into R11 and removes it and <paramref name="arguments"/> bytes from the stack.</summary>
    public void PopReturnAddress(in GuestInstruction g, int arguments)
    {
        HostOperand slot = memory.AccessAt(HostState.GuestRsp, 0, 8, false, g.Rip, g.LiveIn);
        _code.Memory(0x8b, true, HostState.R11, slot);
        AdjustRsp(8 + arguments);
    }

    /// <summary>Parks what an operand holds in the context.</summary>
    public void LoadValue(in HostOperand from)
    {
        _code.Memory(0x8b, true, HostState.R10, from);
        _code.StoreGs(Value, HostState.R10);
    }

    /// <summary>Loads what <see cref="LoadValue"/> parked.</summary>
    public void FetchValue(int register) => _code.LoadGs(register, Value);

    private void StoreValue(in HostOperand to)
    {
        _code.Lea(HostState.R11, to);
        FetchValue(HostState.R10);
        _code.Memory(0x89, true, HostState.R10, new HostOperand(HostState.R11));
    }

    private HostOperand PushSlot(in GuestInstruction g) => memory.AccessAt(HostState.GuestRsp, -8, 8, true, g.Rip, g.LiveIn);

    private void AdjustRsp(int bytes) => _code.Lea(HostState.GuestRsp, HostState.GuestRsp, -1, 0, bytes);
}
