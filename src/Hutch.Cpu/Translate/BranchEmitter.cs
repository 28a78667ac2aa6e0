using Iced.Intel;

namespace Hutch.Cpu.Translate;

/// <summary>
/// Control transfers. Flags are in the host's flags at linked branches and where the interpreter goes on; they are in FlagSave where the jump cache leads,
/// for the entry there compares R11 before it is known whether the block is the right one.
/// </summary>
internal sealed unsafe class BranchEmitter(Emission emission, MemoryEmitter memory, StackEmitter stack)
{
    private readonly CodeWriter _code = emission.Code;

    /// <summary>Goes on at a constant RIP.</summary>
    public void ExitTo(ulong target)
    {
        if (emission.IsLinkable(target))
        {
            emission.Flags.BeforeExit();
            emission.Cold.Link(_code.JumpHole(), target);
            return;
        }
        emission.Flags.BeforeIndirectExit();
        _code.Load(HostState.R11, target);
        _code.JumpGs(HostState.JumpSlot(emission.Access, target));
    }

    /// <summary>Leaves one instruction to the interpreter.</summary>
    public void ExitToInterpreter(ulong rip)
    {
        emission.Flags.BeforeExit();
        _code.Load(HostState.R11, rip);
        _code.Jump(emission.Stubs.Interpret);
    }

    public void Call(in GuestInstruction g)
    {
        stack.PushConstant(g, g.Iced.NextIP);
        ExitTo(g.Iced.NearBranch64);
    }

    public void CallIndirect(in GuestInstruction g)
    {
        bool inMemory = g.Iced.Op0Kind == OpKind.Memory;
        if (inMemory) stack.LoadValue(memory.Access(g, 8, false));
        stack.PushConstant(g, g.Iced.NextIP);
        emission.Flags.BeforeIndirectExit();
        if (inMemory) stack.FetchValue(HostState.R11);
        else LoadTarget(g, 8);
        ExitToR11();
    }

    public void JumpIndirect(in GuestInstruction g)
    {
        if (g.Iced.Op0Kind == OpKind.Memory) _code.Memory(0x8b, true, HostState.R11, memory.Access(g, 8, false));
        else LoadTarget(g, 0);
        emission.Flags.BeforeIndirectExit();
        ExitToR11();
    }

    // The target register's value before the call: RSP has moved by then.
    private void LoadTarget(in GuestInstruction g, int rspMoved)
    {
        int guest = g.Iced.Op0Register - Register.RAX;
        if (guest == HostState.Rsp) _code.Lea(HostState.R11, HostState.GuestRsp, -1, 0, rspMoved);
        else if ((HostState.ResidentMask >> guest & 1) != 0) _code.LoadGs(HostState.R11, HostState.GprOffset(guest));
        else _code.Move(HostState.R11, guest);
    }

    public void Return(in GuestInstruction g)
    {
        stack.PopReturnAddress(g, g.Iced.OpCount == 0 ? 0 : g.Iced.Immediate16);
        emission.Flags.BeforeIndirectExit();
        ExitToR11();
    }

    /// <summary>A conditional jump; what follows is the path on which it is not taken.</summary>
    public void JumpIf(in GuestInstruction g, int condition)
    {
        emission.Flags.BeforeExit();
        Taken(_code.JumpIfHole(condition), g.Iced.NearBranch64);
    }

    /// <summary>LOOP, LOOPE, LOOPNE; <paramref name="condition"/> is the flag condition to loop on, or -1.</summary>
    public void Loop(in GuestInstruction g, int condition)
    {
        emission.Flags.BeforeExit();
        _code.Lea(HostState.Rcx, HostState.Rcx, -1, 0, -1);
        byte* done = _code.ShortHole(0xe3);
        Taken(condition < 0 ? _code.JumpHole() : _code.JumpIfHole(condition), g.Iced.NearBranch64);
        _code.LandShort(done);
    }

    public void JumpIfRcxZero(in GuestInstruction g)
    {
        emission.Flags.BeforeExit();
        byte* zero = _code.ShortHole(0xe3);
        byte* skip = _code.ShortHole(0xeb);
        _code.LandShort(zero);
        Taken(_code.JumpHole(), g.Iced.NearBranch64);
        _code.LandShort(skip);
    }

    /// <summary>The jump at <paramref name="hole"/> goes on at the instruction itself, through a block's entry. Where flags are parked the way there restores them.</summary>
    public void Again(byte* hole, ulong rip) => emission.Cold.Again(hole, rip);

    private void Taken(byte* hole, ulong target)
    {
        if (emission.IsLinkable(target)) emission.Cold.Link(hole, target);
        else emission.Cold.JumpCache(hole, target);
    }

    // pext r10, r11, gs:[mask]; jmp gs:[r10 * 8 + jump cache]. Neither touches flags.
    private void ExitToR11()
    {
        _code.Bytes(0x2514f5_a262_c465, 7);
        _code.Dword(HostState.JumpCacheMask);
        _code.Bytes(0xd524_ff42_65, 5);
        _code.Dword(HostState.JumpCache(emission.Access));
    }
}
