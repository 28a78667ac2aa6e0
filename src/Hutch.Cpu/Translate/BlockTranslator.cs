using System;
using Hutch.Cpu.State;
using Hutch.Cpu.Tables;
using Iced.Intel;

namespace Hutch.Cpu.Translate;

/// <summary>
/// Translates blocks of 64-bit guest code (<see cref="BlockMode.Long64"/>) to host code. One per vCPU; all its buffers are reused, so that
/// translating allocates nothing.
/// </summary>
internal sealed unsafe class BlockTranslator
{
    // What one instruction and one block's entries and exits take at most, hot and cold parts together.
    private const int InstructionBytes = 320, StringBytes = 800, BlockBytes = 512;

    private readonly BlockDecoder _decoder;
    private readonly Emission _emission;
    private readonly CodeWriter _code;
    private readonly MemoryEmitter _memory;
    private readonly PassThroughEmitter _passThrough;
    private readonly StackEmitter _stack;
    private readonly BranchEmitter _branches;
    private readonly SystemEmitter _system;
    private readonly DivideEmitter _divide;
    private readonly BitStringEmitter _bitStrings;
    private readonly StringEmitter _strings;

    public BlockTranslator(StubAddresses stubs, GuestForms? forms = null)
    {
        _decoder = new BlockDecoder(forms ?? GuestForms.All);
        _emission = new Emission(stubs);
        _code = _emission.Code;
        _memory = new MemoryEmitter(_emission);
        _passThrough = new PassThroughEmitter(_emission, _memory);
        _stack = new StackEmitter(_emission, _memory);
        _branches = new BranchEmitter(_emission, _memory, _stack);
        _system = new SystemEmitter(_emission);
        _divide = new DivideEmitter(_emission, _memory, _passThrough);
        _bitStrings = new BitStringEmitter(_emission, _memory);
        _strings = new StringEmitter(_emission, _memory, _branches);
    }

    /// <summary>
    /// Translates the block at <paramref name="request"/>. False: <paramref name="capacity"/> is too small and nothing useful was written.
    /// </summary>
    /// <param name="request">What to translate.</param>
    /// <param name="output">Where code is written.</param>
    /// <param name="executeAddress">Where that will execute.</param>
    /// <param name="capacity">Bytes at <paramref name="output"/>.</param>
    /// <param name="block">Where the parts of the block are.</param>
    public bool Translate(in TranslationRequest request, byte* output, ulong executeAddress, int capacity, out TranslatedBlock block)
    {
        block = default;
        bool complete = _decoder.Decode(request);
        Span<GuestInstruction> instructions = _decoder.Block;
        if (capacity < Bound(instructions)) return false;
        FlagLiveness.Solve(instructions);
        _code.Begin(output, executeAddress);
        _emission.Begin(request.Rip, request.Mode, _decoder.UsesVector);
        byte* poll = Entry(request.Rip, instructions.Length == 0 ? FlagLiveness.All : instructions[0].LiveIn, ref block);
        if (complete)
        {
            if (_decoder.CrossesPage) CheckNextPage(request, instructions[0]);
            Body(instructions);
        }
        else _branches.ExitToInterpreter(request.Rip);
        block.DeadExit = _code.Offset;
        _code.Land(poll);
        _code.Load(HostState.R11, request.Rip);
        _code.Jump(_emission.Stubs.Dispatch);
        _emission.Cold.Emit(_memory);
        block.Length = _code.Offset;
        block.Instructions = Math.Max(instructions.Length, 1);
        block.GuestBytes = complete ? _decoder.GuestBytes : request.Available;
        return true;
    }

    private static int Bound(Span<GuestInstruction> instructions)
    {
        int bound = BlockBytes;
        foreach (ref readonly GuestInstruction g in instructions) bound += g.Kind == TranslationKind.String ? StringBytes : InstructionBytes;
        return bound;
    }

    // At the indirect entry flags are in FlagSave, at the direct entry in the host's flags. Returns the hole of the poll's jump, which leads to the dead exit.
    private byte* Entry(ulong rip, byte live, ref TranslatedBlock block)
    {
        block.IndirectEntry = _code.Offset;
        CompareTarget(rip);
        if (live != 0) _code.RestoreFlags();
        block.DirectEntry = _code.Offset;
        byte* poll = live == 0 ? PollByCompare() : PollByCount();
        if (!_emission.Vector) return poll;
        _emission.Flags.BeforeCheck(live);
        _code.CompareGsByte(HostState.VectorLoaded, 1);
        byte* load = _code.JumpIfHole(HostState.NotEqual);
        _emission.Cold.LoadVector(load, _code.At);
        return poll;
    }

    private void CompareTarget(ulong rip)
    {
        if ((ulong)(int)rip == rip)
        {
            _code.Bytes(0xfb8149, 3);                // cmp r11, rip
            _code.Dword((int)rip);
        }
        else
        {
            _code.Load(HostState.R10, rip);
            _code.Bytes(0xd3394d, 3);                // cmp r11, r10
        }
        _code.JumpIf(HostState.NotEqual, _emission.Stubs.IndirectMiss);
    }

    private byte* PollByCompare()
    {
        _code.Bytes(0x253c8365, 4);                  // cmp dword gs:[Request], 0
        _code.Dword(HostState.Request);
        _code.Byte(0);
        return _code.JumpIfHole(HostState.NotEqual);
    }

    // JRCXZ reads no flags and changes none.
    private byte* PollByCount()
    {
        _code.Gs32(0x8b, HostState.R10, HostState.Request);
        _code.Bytes(0xca8749, 3);                    // xchg r10, rcx
        byte* quiet = _code.ShortHole(0xe3);
        _code.Bytes(0xca8749, 3);
        byte* poll = _code.JumpHole();
        _code.LandShort(quiet);
        _code.Bytes(0xca8749, 3);
        return poll;
    }

    private void CheckNextPage(in TranslationRequest request, in GuestInstruction first)
    {
        ulong next = (request.Rip & ~0xfffUL) + 4096;
        bool user = (AccessMode)(request.Mode & BlockMode.AccessMask) == AccessMode.User;
        int slot = ContextLayout.Itlb + (user ? ContextLayout.ItlbStride : 0) + (int)((next >> 12) & (ContextLayout.ItlbEntries - 1)) * 8;
        _emission.Flags.BeforeCheck(first.LiveIn);
        _code.Load(HostState.R10, request.NextPageItlb);
        _code.Gs64(0x39, HostState.R10, slot);
        _emission.Cold.Interpret(_code.JumpIfHole(HostState.NotEqual), request.Rip);
    }

    private void Body(Span<GuestInstruction> instructions)
    {
        foreach (ref GuestInstruction g in instructions)
            if (!Emit(ref g)) return;
        _branches.ExitTo(instructions[^1].Iced.NextIP);
    }

    // False: the instruction ended the block.
    private bool Emit(ref GuestInstruction g)
    {
        if (g.Kind >= TranslationKind.Cli) return EmitSystem(ref g);
        if (g.Kind >= TranslationKind.Call) return EmitBranch(ref g);
        switch (g.Kind)
        {
            case TranslationKind.PassThrough: _passThrough.Emit(g, _decoder.BytesOf(g)); break;
            case TranslationKind.Nop: break;
            case TranslationKind.Lea: Lea(g); break;
            case TranslationKind.Divide: _divide.Emit(g, _decoder.BytesOf(g)); break;
            case TranslationKind.BitString: _bitStrings.Emit(g); break;
            case TranslationKind.String: _strings.Emit(g); break;
            case TranslationKind.PushRegister: _stack.PushRegister(g); break;
            case TranslationKind.PushImmediate: _stack.PushConstant(g, g.Iced.GetImmediate(0)); break;
            case TranslationKind.PushMemory: _stack.PushMemory(g); break;
            case TranslationKind.PopRegister: _stack.PopRegister(g); break;
            case TranslationKind.PopMemory: _stack.PopMemory(g); break;
            case TranslationKind.PushFlags: _stack.PushFlags(g); break;
            case TranslationKind.Leave: _stack.Leave(g); break;
            default:
                _branches.ExitToInterpreter(g.Rip);
                return false;
        }
        return true;
    }

    private bool EmitBranch(ref GuestInstruction g)
    {
        switch (g.Kind)
        {
            case TranslationKind.Call: _branches.Call(g); return false;
            case TranslationKind.CallIndirect: _branches.CallIndirect(g); return false;
            case TranslationKind.Return: _branches.Return(g); return false;
            case TranslationKind.Jump: _branches.ExitTo(g.Iced.NearBranch64); return false;
            case TranslationKind.JumpIndirect: _branches.JumpIndirect(g); return false;
            case TranslationKind.JumpIf: _branches.JumpIf(g, Condition(g)); return true;
            case TranslationKind.Loop: _branches.Loop(g, -1); return true;
            case TranslationKind.LoopEqual: _branches.Loop(g, HostState.Equal); return true;
            case TranslationKind.LoopNotEqual: _branches.Loop(g, HostState.NotEqual); return true;
            default: _branches.JumpIfRcxZero(g); return true;
        }
    }

    private bool EmitSystem(ref GuestInstruction g)
    {
        switch (g.Kind)
        {
            case TranslationKind.Cli: _system.Cli(); break;
            case TranslationKind.Sti: _system.Sti(); break;
            case TranslationKind.Cld: _system.Direction(0); break;
            case TranslationKind.Std: _system.Direction(1); break;
            case TranslationKind.Stac: _system.AlignmentCheck(true); break;
            case TranslationKind.Clac: _system.AlignmentCheck(false); break;
            case TranslationKind.SwapGs: _system.SwapGs(); break;
            case TranslationKind.Rdtsc: _system.ReadTimeStamp(false); break;
            case TranslationKind.Rdtscp: _system.ReadTimeStamp(true); break;
            case TranslationKind.ReadFsBase: _system.ReadBase(g, HostState.FsBase); break;
            case TranslationKind.ReadGsBase: _system.ReadBase(g, HostState.GsBase); break;
            case TranslationKind.WriteFsBase: _system.WriteBase(g, HostState.FsBase); break;
            case TranslationKind.WriteGsBase: _system.WriteBase(g, HostState.GsBase); break;
            default:
                // PAUSE: a spinning guest comes to a poll.
                _code.Bytes(0x90f3, 2);
                _branches.ExitTo(g.Iced.NextIP);
                return false;
        }
        return true;
    }

    private int Condition(in GuestInstruction g)
    {
        byte* bytes = _decoder.BytesOf(g);
        // The opcode comes before an 8-bit or, in the 0F map, a 32-bit displacement.
        int displacement = g.Iced.Code.IsJccShort() ? 1 : 4;
        return bytes[g.Iced.Length - displacement - 1] & 15;
    }

    private void Lea(in GuestInstruction g)
    {
        Register register = g.Iced.Op0Register;
        bool wide = register is >= Register.RAX and <= Register.R15;
        int guest = wide ? register - Register.RAX : register - Register.EAX;
        bool resident = (HostState.ResidentMask >> guest & 1) != 0;
        int to = resident ? HostState.R11 : guest == HostState.Rsp ? HostState.GuestRsp : guest;
        _memory.Address(g.Iced, to, wide: wide);
        if (resident) _code.StoreGs(HostState.GprOffset(guest), to);
    }
}
