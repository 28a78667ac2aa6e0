using System;
using System.Runtime.InteropServices;
using Hutch.Cpu.State;
using Hutch.Cpu.Translate;
using Hutch.Host.Memory;
using Hutch.Host.Trials;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Hutch.Cpu.Tests.Translate;

/// <summary>
/// Runs guest code twice from the same registers: as it is, on the host, and as a translated block with minimal stubs. Data is at the same address in both, so that
/// registers can be compared. The guest's stack is part of the data, with room below for signals of the process.
/// </summary>
internal sealed unsafe class CodeBench : IDisposable
{
    /// <summary>Why a block was left.</summary>
    public enum Exit : ulong { None, Dispatch, Indirect, Interpret, Link }

    /// <summary>Registers in encoding order, and arithmetic flags.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Registers
    {
        public fixed ulong Gpr[16];
        public ulong Flags;
        public ulong Padding;

        /// <summary>x87, SSE and AVX state as XSAVE stores it.</summary>
        public fixed byte Vector[VectorBytes];
    }

    public const int VectorBytes = 832;

    public const int DataBytes = 0x10000;
    private const int NativeOffset = 0x80000, ExitOffset = 0x400, ExitRipOffset = 0x408, NativeSaveOffset = 0x500, HostRspOffset = 0x0d8;

    private readonly ExecutableRegion _code = ExecutableRegion.Allocate(0x100000, "test code");
    private readonly MappedRegion _data = MappedRegion.Allocate(DataBytes, "test data");
    private readonly byte* _context, _hostVector;
    private readonly StubAddresses _stubs;
    private readonly ulong _enter, _nativeEnter, _nativeExit;
    private readonly BlockTranslator _translator;
    private int _used;

    public CodeBench()
    {
        _context = (byte*)NativeMemory.AlignedAlloc(ContextLayout.AreaBytes, 4096);
        new Span<byte>(_context, ContextLayout.AreaBytes).Clear();
        _hostVector = (byte*)NativeMemory.AlignedAlloc(1024, 64);
        new Span<byte>(_hostVector, 1024).Clear();
        *(ushort*)_hostVector = 0x37f;
        *(uint*)(_hostVector + 24) = 0x1f80;
        _hostVector[512] = 3;
        ulong leave = Emit(Leave);
        ulong interpret = Emit(a => Record(a, Exit.Interpret, leave)), indirect = Emit(a => Record(a, Exit.Indirect, leave));
        ulong slow = Emit(SlowAccess);
        _stubs = new StubAddresses
        {
            Dispatch = Emit(a => Record(a, Exit.Dispatch, leave)),
            Interpret = interpret,
            IndirectMiss = indirect,
            Link = Emit(a => { a.pop(r10); a.mov(r11, __qword_ptr[r10]); Record(a, Exit.Link, leave); }),
            SlowAccess = slow,
            SlowAccessVector = slow,
            LoadVector = Emit(a => { a.mov(__byte_ptr.gs[0x97], 1); a.ret(); }),
        };
        _enter = Emit(Enter);
        _nativeExit = Emit(NativeExit);
        _nativeEnter = Emit(NativeEnter);
        Context->InterruptFlag = 1;
        *(ulong*)(_context + 0x100) = ContextLayout.JumpCachePextMask;
        new Span<ulong>(_context + ContextLayout.JumpCache, 3 * ContextLayout.JumpCacheEntries).Fill(indirect);
        _translator = new BlockTranslator(_stubs);
    }

    /// <summary>Address of the data, for guest and host.</summary>
    public ulong DataAddress => (ulong)_data.Start;

    /// <summary>The data.</summary>
    public Span<byte> Data => new(_data.Start, DataBytes);

    public VcpuContext* Context => (VcpuContext*)_context;

    /// <summary>Guest RIP at which the block was left.</summary>
    public ulong ExitRip => *(ulong*)(_context + ExitRipOffset);

    /// <summary>The host code of the last block.</summary>
    public string LastHostCode => string.Join('\n', TestStubs.Disassemble(new Span<byte>(_code.Writable + _used, _lastBlock.Length), _lastBlock, _stubs));

    private TranslatedBlock _lastBlock;

    /// <summary>Translates code as if at <paramref name="rip"/> and runs the block once. <paramref name="missing"/>: bits of page numbers whose TLB entries are empty.</summary>
    public Exit RunTranslated(ReadOnlySpan<byte> guest, ulong rip, ref Registers registers, int missing = 0)
    {
        TranslatedBlock block;
        byte* output = _code.Writable + _used;
        fixed (byte* bytes = guest)
        {
            BlockMode mode = BlockMode.Long64 | BlockMode.Protected | BlockMode.Sse | BlockMode.Avx | BlockMode.Rdtsc | BlockMode.FsGsBase | BlockMode.Cpl0 | (BlockMode)AccessMode.User;
            TranslationRequest request = new() { Rip = rip, Mode = mode, Code = bytes, Available = guest.Length };
            if (!_translator.Translate(request, output, (ulong)(_code.Executable + _used), 0x10000, out block)) throw new InvalidOperationException();
        }
        _lastBlock = block;
        MapData(missing);
        for (int i = 0; i < 16; i++) Context->Gpr[i] = registers.Gpr[i];
        Context->ArithmeticFlags = ~registers.Flags & Flags.Arithmetic;
        Context->FlagSave = (ushort)((registers.Flags & 0xd5) << 8 | (registers.Flags >> 11 & 1));
        *(ulong*)(_context + ExitOffset) = 0;
        fixed (byte* vector = registers.Vector) Buffer.MemoryCopy(vector, Context->Xsave, VectorBytes, VectorBytes);
        ulong entry = (ulong)(_code.Executable + _used) + (ulong)block.IndirectEntry;
        ((delegate* unmanaged<ulong, ulong, ulong, void>)_enter)((ulong)_context, entry, rip);
        for (int i = 0; i < 16; i++) registers.Gpr[i] = Context->Gpr[i];
        registers.Flags = Context->ArithmeticFlags & Flags.Arithmetic;
        fixed (byte* vector = registers.Vector) Buffer.MemoryCopy(Context->Xsave, vector, VectorBytes, VectorBytes);
        return (Exit)(*(ulong*)(_context + ExitOffset));
    }

    /// <summary>Runs straight-line code on the host. It must not change the stack pointer by more than the data has room for.</summary>
    public void RunNative(ReadOnlySpan<byte> guest, ref Registers registers)
    {
        byte* output = _code.Writable + NativeOffset;
        guest.CopyTo(new Span<byte>(output, guest.Length));
        output[guest.Length] = 0xff;                 // jmp [rip]
        output[guest.Length + 1] = 0x25;
        *(int*)(output + guest.Length + 2) = 0;
        *(ulong*)(output + guest.Length + 6) = _nativeExit;
        fixed (byte* vector = registers.Vector) Buffer.MemoryCopy(vector, Context->Xsave, VectorBytes, VectorBytes);
        fixed (Registers* pointer = &registers)
            ((delegate* unmanaged<ulong, void>)_nativeEnter)((ulong)pointer);
        fixed (byte* vector = registers.Vector) Buffer.MemoryCopy(Context->Xsave, vector, VectorBytes, VectorBytes);
        registers.Flags &= Flags.Arithmetic;
    }

    // Data is mapped to itself, so the host address is the guest's: the part of R11 plus the tag, which is the same for loads and stores here.
    private static void SlowAccess(Assembler a)
    {
        a.add(r11, __qword_ptr.gs[r10 + HostState.TlbField(AccessMode.User, 0)]);
        a.xor(r10d, r10d);
        a.add(__qword_ptr[rsp], 12);
        a.ret();
    }

    private void MapData(int missing)
    {
        TlbEntry* table = (TlbEntry*)(_context + ContextLayout.Tlb + (int)AccessMode.User * ContextLayout.TlbStride);
        for (int i = 0; i < ContextLayout.TlbEntries; i++) table[i].ReadTag = table[i].WriteTag = i == 0 ? 0x8000_0000_0000_1000 : 0x8000_0000_0000_0000;
        for (ulong page = DataAddress; page < DataAddress + DataBytes; page += 4096)
        {
            TlbEntry* entry = table + ((page >> 12) & (ContextLayout.TlbEntries - 1));
            if ((missing >> (int)((page >> 12) & 15) & 1) == 0) entry->ReadTag = entry->WriteTag = entry->HostPage = page;
        }
    }

    private ulong Emit(Action<Assembler> body)
    {
        Assembler assembler = new(64);
        body(assembler);
        ulong address = (ulong)(_code.Executable + _used);
        Writer writer = new(_code.Writable + _used);
        assembler.Assemble(writer, address);
        _used += (writer.Count + 15) & ~15;
        return address;
    }

    private static void Record(Assembler a, Exit exit, ulong leave)
    {
        a.mov(__qword_ptr.gs[ExitRipOffset], r11);
        a.mov(__qword_ptr.gs[ExitOffset], (int)exit);
        a.jmp(leave);
    }

    private static readonly AssemblerRegister64[] Identity = [rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r12, r13, r14];
    private static readonly AssemblerRegister64[] Saved = [rbx, rbp, r12, r13, r14, r15];

    private static int Slot(AssemblerRegister64 register) => (register.Value - Register.RAX) * 8;

    // GS base = rdi. As the engine's stubs do it.
    private static void SetGsBase(Assembler a)
    {
        const int ArchPrctl = 158, ArchSetGs = 0x1001;
        if (SystemTrials.FsGsBase().Works)
        {
            a.wrgsbase(rdi);
            return;
        }
        a.mov(rsi, rdi);
        a.mov(edi, ArchSetGs);
        a.mov(eax, ArchPrctl);
        a.syscall();
    }

    // rdi = context, rsi = host code, rdx = R11.
    private static void Enter(Assembler a)
    {
        foreach (AssemblerRegister64 register in Saved) a.push(register);
        a.sub(rsp, 8);
        a.mov(r10, rsi);
        SetGsBase(a);
        a.mov(__qword_ptr.gs[HostRspOffset], rsp);
        a.mov(r11, rdx);
        a.mov(eax, 7);
        a.xor(edx, edx);
        a.xrstor64(__qword_ptr.gs[VcpuContext.XsaveOffset]);
        a.push(__qword_ptr.gs[0x88]);
        a.popfq();
        foreach (AssemblerRegister64 register in Identity) a.mov(register, __qword_ptr.gs[Slot(register)]);
        a.mov(r15, __qword_ptr.gs[4 * 8]);
        a.jmp(r10);
    }

    private void Leave(Assembler a)
    {
        foreach (AssemblerRegister64 register in Identity) a.mov(__qword_ptr.gs[Slot(register)], register);
        a.mov(__qword_ptr.gs[4 * 8], r15);
        a.pushfq();
        a.pop(__qword_ptr.gs[0x88]);
        a.mov(eax, 7);
        a.xor(edx, edx);
        a.xsave64(__qword_ptr.gs[VcpuContext.XsaveOffset]);
        RestoreHostVector(a);
        a.mov(rsp, __qword_ptr.gs[HostRspOffset]);
        a.add(rsp, 8);
        for (int i = Saved.Length - 1; i >= 0; i--) a.pop(Saved[i]);
        a.ret();
    }

    private void RestoreHostVector(Assembler a)
    {
        a.mov(rcx, (ulong)_hostVector);
        a.xrstor64(__qword_ptr[rcx]);
    }

    // rdi = registers.
    private void NativeEnter(Assembler a)
    {
        foreach (AssemblerRegister64 register in Saved) a.push(register);
        a.mov(rax, (ulong)_context + NativeSaveOffset);
        a.mov(__qword_ptr[rax], rsp);
        a.mov(__qword_ptr[rax + 8], rdi);
        a.mov(rcx, (ulong)_context + VcpuContext.XsaveOffset);
        a.mov(eax, 7);
        a.xor(edx, edx);
        a.xrstor64(__qword_ptr[rcx]);
        a.push(__qword_ptr[rdi + 128]);
        a.popfq();
        foreach (AssemblerRegister64 register in (AssemblerRegister64[])[rcx, rdx, rbx, rbp, rsi, r8, r9, r10, r11, r12, r13, r14, r15]) a.mov(register, __qword_ptr[rdi + Slot(register)]);
        a.mov(rsp, __qword_ptr[rdi + 32]);
        a.mov(rax, __qword_ptr[rdi]);
        a.mov(rdi, __qword_ptr[rdi + 56]);
        a.jmp((ulong)(_code.Executable + NativeOffset));
    }

    private void NativeExit(Assembler a)
    {
        a.mov(__qword_ptr[(ulong)_context + NativeSaveOffset + 24], rax);
        a.mov(rax, (ulong)_context + NativeSaveOffset);
        a.mov(__qword_ptr[rax + 32], rsp);
        a.mov(rsp, __qword_ptr[rax]);
        a.pushfq();
        a.push(rdi);
        a.mov(rdi, __qword_ptr[rax + 8]);
        foreach (AssemblerRegister64 register in (AssemblerRegister64[])[rcx, rdx, rbx, rbp, rsi, r8, r9, r10, r11, r12, r13, r14, r15]) a.mov(__qword_ptr[rdi + Slot(register)], register);
        a.pop(__qword_ptr[rdi + 56]);
        a.pop(__qword_ptr[rdi + 128]);
        a.mov(rcx, __qword_ptr[rax + 24]);
        a.mov(__qword_ptr[rdi], rcx);
        a.mov(rcx, __qword_ptr[rax + 32]);
        a.mov(__qword_ptr[rdi + 32], rcx);
        a.mov(rcx, (ulong)_context + VcpuContext.XsaveOffset);
        a.mov(eax, 7);
        a.xor(edx, edx);
        a.xsave64(__qword_ptr[rcx]);
        RestoreHostVector(a);
        for (int i = Saved.Length - 1; i >= 0; i--) a.pop(Saved[i]);
        a.ret();
    }

    public void Dispose()
    {
        _code.Dispose();
        _data.Dispose();
        NativeMemory.AlignedFree(_context);
        NativeMemory.AlignedFree(_hostVector);
    }

    private sealed class Writer(byte* at) : Iced.Intel.CodeWriter
    {
        public int Count { get; private set; }

        public override void WriteByte(byte value) => at[Count++] = value;
    }
}
