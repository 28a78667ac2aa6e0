using System;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Translate;

/// <summary>Code that is rarely reached, emitted behind the block's body: slow paths, unlinked branches, guards that failed.</summary>
internal sealed unsafe class ColdParts(Emission emission)
{
    /// <summary>Bits of the information word behind a call of the slow access stubs.</summary>
    public const int WriteBit = 1 << 8, AccessShift = 9, ParkedBit = 1 << 11;

    private enum Kind : byte { SlowAccess, SlowConstant, SlowPage, Interpret, Link, Again, JumpCache, LoadVector, Dispatch }

    private struct Part
    {
        public Kind Kind;
        public bool Parked;
        public AccessMode Access;
        public byte* From, Back;
        public ulong Rip, Address;
        public int Info, Tag;
    }

    // An instruction has at most four cold parts (two accesses with alignment checks).
    private readonly Part[] _parts = new Part[BlockDecoder.MaxInstructions * 4 + 8];
    private int _count;

    public void Clear() => _count = 0;

    private ref Part Add(Kind kind, byte* from, ulong rip)
    {
        ref Part part = ref _parts[_count++];
        part.Kind = kind;
        part.From = from;
        part.Rip = rip;
        part.Parked = emission.Flags.Parked;
        part.Access = emission.Access;
        return ref part;
    }

    /// <summary>The check of an access with R10 and R11 set up failed; goes on at <paramref name="back"/> with R10 + R11 the host address.</summary>
    public void SlowAccess(byte* from, byte* back, ulong rip, int size, bool write)
    {
        ref Part part = ref Add(Kind.SlowAccess, from, rip);
        part.Back = back;
        part.Info = size | (write ? WriteBit : 0) | (int)emission.Access << AccessShift | (part.Parked ? ParkedBit : 0);
    }

    /// <summary>As <see cref="SlowAccess"/> for a constant address; goes on with R10 the host address of the page.</summary>
    public void SlowConstant(byte* from, byte* back, ulong rip, int size, bool write, ulong address, int tag)
    {
        SlowAccess(from, back, rip, size, write);
        ref Part part = ref _parts[_count - 1];
        part.Kind = Kind.SlowConstant;
        part.Address = address;
        part.Tag = tag;
    }

    /// <summary>A page that is not in the TLB: goes on at <paramref name="back"/> once it is, with R10 and R11 set up.</summary>
    public void SlowPage(byte* from, byte* back, ulong rip, int size, bool write, int address)
    {
        SlowAccess(from, back, rip, size, write);
        ref Part part = ref _parts[_count - 1];
        part.Kind = Kind.SlowPage;
        part.Tag = address;
    }

    /// <summary>A guard failed before the instruction's first effect: the interpreter takes it.</summary>
    public void Interpret(byte* from, ulong rip) => Add(Kind.Interpret, from, rip);

    /// <summary>Leaves to the dispatcher.</summary>
    public void Dispatch(byte* from, ulong rip) => Add(Kind.Dispatch, from, rip);

    /// <summary>A patchable branch to a target on the block's page.</summary>
    public void Link(byte* from, ulong target) => Add(Kind.Link, from, target);

    /// <summary>Goes on at an instruction of this block, after flags are back.</summary>
    public void Again(byte* from, ulong rip) => Add(Kind.Again, from, rip);

    /// <summary>A branch to a target on another page.</summary>
    public void JumpCache(byte* from, ulong target) => Add(Kind.JumpCache, from, target);

    /// <summary>Vector state is not loaded.</summary>
    public void LoadVector(byte* from, byte* back) => Add(Kind.LoadVector, from, 0).Back = back;

    /// <summary>Emits all parts.</summary>
    public void Emit(MemoryEmitter memory)
    {
        for (int i = 0; i < _count; i++) Emit(ref _parts[i], memory);
    }

    // SAFETY: From and Back are positions in the output that CodeWriter handed out for this block.
    private void Emit(ref Part part, MemoryEmitter memory)
    {
        CodeWriter code = emission.Code;
        StubAddresses stubs = emission.Stubs;
        code.Land(part.From);
        switch (part.Kind)
        {
            case Kind.SlowAccess:
                CallSlow(ref part);
                code.JumpBack(part.Back);
                break;
            case Kind.SlowConstant:
                code.Load(HostState.R10, (part.Address >> 7) & ContextLayout.TlbIndexMask);
                code.Load(HostState.R11, part.Address);
                SubtractTag(code, part.Tag);
                CallSlow(ref part);
                code.Lea(HostState.R10, HostState.R10, HostState.R11, 0, -(int)(part.Address & 0xfff));
                code.JumpBack(part.Back);
                break;
            case Kind.SlowPage:
                CallSlow(ref part);
                emission.Access = part.Access;
                byte* missed = memory.LookUp(part.Tag, part.Info & 0xff, (part.Info & WriteBit) != 0);
                code.JumpBack(part.Back);
                code.Land(missed);
                Leave(ref part, stubs.Interpret);
                break;
            case Kind.Interpret or Kind.Dispatch:
                Leave(ref part, part.Kind == Kind.Interpret ? stubs.Interpret : stubs.Dispatch);
                break;
            case Kind.Link:
                CallLink(part.Rip, part.From);
                break;
            case Kind.Again:
                if (part.Parked) code.RestoreFlags();
                byte* branch = code.JumpHole();
                code.Land(branch);
                CallLink(part.Rip, branch);
                break;
            case Kind.JumpCache:
                code.ParkFlags();
                code.Load(HostState.R11, part.Rip);
                code.JumpGs(HostState.JumpSlot(part.Access, part.Rip));
                break;
            case Kind.LoadVector:
                code.Call(stubs.LoadVector);
                code.JumpBack(part.Back);
                break;
            default:
                throw new InvalidOperationException();
        }
    }

    private void Leave(ref Part part, ulong stub)
    {
        CodeWriter code = emission.Code;
        if (part.Parked) code.RestoreFlags();
        code.Load(HostState.R11, part.Rip);
        code.Jump(stub);
    }

    private void CallLink(ulong target, byte* branch)
    {
        CodeWriter code = emission.Code;
        code.Call(emission.Stubs.Link);
        byte* data = code.At;
        code.Qword(target);
        code.Dword((int)(data - branch));
    }

    private void CallSlow(ref Part part)
    {
        CodeWriter code = emission.Code;
        code.Call(emission.Vector ? emission.Stubs.SlowAccessVector : emission.Stubs.SlowAccess);
        code.Dword(part.Info);
        code.Qword(part.Rip);
    }

    /// <summary>sub r11, gs:[r10 + tag].</summary>
    public static void SubtractTag(CodeWriter code, int tag)
    {
        code.Bytes(0x9a2b4d65, 4);
        code.Dword(tag);
    }
}
