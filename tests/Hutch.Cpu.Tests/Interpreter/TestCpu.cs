using System;
using System.IO;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Cpu.Interpreter;
using Hutch.Cpu.State;
using Hutch.Host.Time;
using Hutch.Model.Machine;
using Iced.Intel;

namespace Hutch.Cpu.Tests.Interpreter;

/// <summary>
/// One vCPU with 4 MiB of RAM and tables at fixed places, stepped by the interpreter. Every interrupt handler is a HLT at
/// Handlers + 16 * vector, so where a run halts tells which event was delivered.
/// </summary>
internal sealed unsafe class TestCpu : IDisposable
{
    public const ulong Gdt = 0x2000, Idt = 0x3000, Tss = 0x4000, CodeStart = 0x5000, Handlers = 0x6000, KernelStack = 0x9000, IstStack = 0xa000;
    public const ulong Stack = 0x8000, UserStack = 0xb000, Data = 0xc000, SecondTss = 0xe000, PageTables = 0x10000;
    public const ushort Code32 = 0x08, Data32 = 0x10, UserCode32 = 0x1b, UserData = 0x23, Code64 = 0x28, UserCode64 = 0x33, Code16 = 0x38, TssSelector = 0x40;
    public const ushort Data16 = 0x50, Conforming = 0x58, AbsentData = 0x60, SecondTssSelector = 0x68, Free = 0x70;

    private readonly GuestMemory _memory = GuestMemory.Create(4 << 20);
    private readonly TimerQueue _timers = new(new MonotonicClock());
    private readonly SoftMachine _machine;

    private TestCpu(CpuModel? model = null)
    {
        _machine = new SoftMachine(_memory, new CpuTopology(1, 1, 1), model ?? CpuModel.Max, _timers);
        Cpu = _machine.SoftVcpus[0];
    }

    public SoftVcpu Cpu { get; }

    public VcpuContext* C => Cpu.Context;

    public ref ulong Rax => ref C->Gpr[0];

    public ref ulong Rcx => ref C->Gpr[1];

    public ref ulong Rdx => ref C->Gpr[2];

    public ref ulong Rbx => ref C->Gpr[3];

    public ref ulong Rsp => ref C->Gpr[4];

    public ref ulong Rbp => ref C->Gpr[5];

    public ref ulong Rsi => ref C->Gpr[6];

    public ref ulong Rdi => ref C->Gpr[7];

    public ushort Selector(Seg segment) => C->Segments[(int)segment].Selector;

    public static TestCpu Reset() => new();

    /// <summary>Real mode, all segments at 0, code at CodeStart, the vector table full.</summary>
    public static TestCpu Real()
    {
        TestCpu t = new();
        for (uint v = 0; v < 256; v++) t.Put(v * 4, (uint)(Handlers + v * 16));
        t.PlaceHandlers();
        t.C->Segments[(int)Seg.Cs] = new SegmentState { Limit = 0xffff, Attributes = 0x9b };
        t.C->Idtr.Limit = 0x3ff;
        t.C->Rip = CodeStart;
        t.Rsp = Stack;
        t.Cpu.UpdateMode();
        return t;
    }

    /// <summary>32-bit protected mode without paging at a privilege level.</summary>
    public static TestCpu Protected(int cpl = 0, CpuModel? model = null)
    {
        TestCpu t = new(model);
        t.C->Cr0 = 0x11;
        t.Describe();
        for (int v = 0; v < 256; v++) t.Gate(v, 14);
        t.PlaceHandlers();
        t.Put(Tss + 4, (uint)KernelStack);
        t.Put(Tss + 8, (uint)Data32);
        t.Put(Tss + 0x66, (ushort)0x68);
        t.Enter(cpl == 3 ? UserCode32 : Code32, cpl == 3 ? UserData : Data32);
        return t;
    }

    /// <summary>64-bit mode, the first 4 MiB mapped to themselves by 4 KiB pages that user code may use.</summary>
    public static TestCpu Long(int cpl = 0, CpuModel? model = null)
    {
        TestCpu t = new(model);
        t.Put(PageTables, PageTables + 0x1007);
        t.Put(PageTables + 0x1000, PageTables + 0x2007);
        for (ulong n = 0; n < 2; n++) t.Put(PageTables + 0x2000 + n * 8, PageTables + 0x3007 + n * 0x1000);
        for (ulong n = 0; n < 1024; n++) t.Put(PageTables + 0x3000 + n * 8, (n << 12) | 7);
        t.C->Cr3 = PageTables;
        t.C->Cr4 = 0x620;
        t.C->Efer = 0xd01;
        t.C->Cr0 = 0x8001_0033;
        t.Describe();
        for (int v = 0; v < 256; v++) t.Gate(v, 14);
        t.PlaceHandlers();
        t.Put(Tss + 4, KernelStack);
        t.Put(Tss + 0x24, IstStack);
        t.Enter(cpl == 3 ? UserCode64 : Code64, cpl == 3 ? UserData : Data32);
        return t;
    }

    private bool IsLong => (C->Efer & (1 << 10)) != 0;

    /// <summary>Writes a gate of the IDT: type 5 task, 6/7 16-bit, 14/15 32 or 64-bit.</summary>
    public void Gate(int vector, int type, int dpl = 0, ushort? selector = null, int ist = 0, bool present = true)
    {
        ulong target = Handlers + (ulong)vector * 16;
        ulong low = (target & 0xffff) | ((ulong)(selector ?? (IsLong ? Code64 : Code32)) << 16) | ((ulong)ist << 32)
            | ((ulong)type << 40) | ((ulong)dpl << 45) | (present ? 1UL << 47 : 0);
        if (IsLong)
        {
            Put(Idt + (ulong)vector * 16, low);
            Put(Idt + (ulong)vector * 16 + 8, 0UL);
        }
        else Put(Idt + (ulong)vector * 8, low);
    }

    /// <summary>Writes a descriptor of the GDT. Attributes as in <see cref="SegmentState"/>.</summary>
    public void Describe(int selector, uint start, uint limit, uint attributes) =>
        Put(Gdt + ((ulong)selector & 0xfff8), (limit & 0xffff) | ((ulong)(start & 0xff_ffff) << 16) | ((ulong)(attributes & 0xf0ff) << 40)
            | ((ulong)(limit >> 16 & 15) << 48) | ((ulong)(start >> 24) << 56));

    public void Put<T>(ulong address, T value) where T : unmanaged
    {
        if (!_memory.TryWrite(address, value)) throw new InvalidOperationException("Outside RAM.");
    }

    public T Get<T>(ulong address) where T : unmanaged => _memory.TryRead(address, out T value) ? value : throw new InvalidOperationException("Outside RAM.");

    /// <summary>Assembles code for the current mode at the current RIP (or elsewhere).</summary>
    public TestCpu Code(Action<Assembler> build, ulong? at = null)
    {
        int bitness = (C->Mode & (uint)BlockMode.Long64) != 0 ? 64 : (C->Mode & (uint)BlockMode.Code32) != 0 ? 32 : 16;
        var assembler = new Assembler(bitness);
        build(assembler);
        using var stream = new MemoryStream();
        assembler.Assemble(new StreamCodeWriter(stream), at ?? C->Rip);
        return Bytes(stream.ToArray(), at);
    }

    /// <summary>Places raw code bytes.</summary>
    public TestCpu Bytes(byte[] code, ulong? at = null)
    {
        if (!_memory.TryCopyIn(at ?? C->Rip, code)) throw new InvalidOperationException("Outside RAM.");
        return this;
    }

    public StepResult Step() => Cpu.Interpreter.Step();

    /// <summary>Steps a number of times.</summary>
    public TestCpu Steps(int count)
    {
        for (int n = 0; n < count; n++) Step();
        return this;
    }

    /// <summary>Steps until HLT. Returns the vector whose handler halted, -1 for other code, -2 for a triple fault, -3 if it goes on.</summary>
    public int Run(int most = 10_000)
    {
        for (int n = 0; n < most; n++)
        {
            StepResult result = Step();
            if (result == StepResult.TripleFault) return -2;
            if (result != StepResult.Halt) continue;
            ulong at = C->Rip - 1 - Handlers;
            return at < 4096 && (at & 15) == 0 ? (int)at / 16 : -1;
        }
        return -3;
    }

    public void Dispose()
    {
        _machine.Dispose();
        _memory.Dispose();
        _timers.Dispose();
    }

    private void PlaceHandlers()
    {
        for (ulong v = 0; v < 256; v++) Put(Handlers + v * 16, (byte)0xf4);
    }

    private void Describe()
    {
        Describe(Code32, 0, 0xfffff, 0xc09b);
        Describe(Data32, 0, 0xfffff, 0xc093);
        Describe(UserCode32, 0, 0xfffff, 0xc0fb);
        Describe(UserData, 0, 0xfffff, 0xc0f3);
        Describe(Code64, 0, 0xfffff, 0xa09b);
        Describe(UserCode64, 0, 0xfffff, 0xa0fb);
        Describe(Code16, 0, 0xffff, 0x9b);
        Describe(TssSelector, (uint)Tss, 0x2067, 0x8b);
        Describe(Data16, 0, 0xffff, 0x93);
        Describe(Conforming, 0, 0xfffff, IsLong ? 0xa09fu : 0xc09fu);
        Describe(AbsentData, 0, 0xfffff, 0xc013);
        C->Gdtr = new TableState { Base = Gdt, Limit = 0xfff };
        C->Idtr = new TableState { Base = Idt, Limit = 0xfff };
        C->Segments[(int)Seg.Tr] = new SegmentState { Selector = TssSelector, Base = Tss, Limit = 0x2067, Attributes = 0x8b };
    }

    private void Enter(ushort code, ushort data)
    {
        int cpl = code & 3;
        bool long64 = code is Code64 or UserCode64;
        uint dpl = (uint)cpl << 5;
        C->Segments[(int)Seg.Cs] = new SegmentState { Selector = code, Limit = 0xffff_ffff, Attributes = (long64 ? 0xa09bu : 0xc09bu) | dpl };
        foreach (Seg segment in (ReadOnlySpan<Seg>)[Seg.Es, Seg.Ss, Seg.Ds, Seg.Fs, Seg.Gs])
            C->Segments[(int)segment] = new SegmentState { Selector = data, Limit = 0xffff_ffff, Attributes = 0xc093 | dpl };
        C->Cpl = (byte)cpl;
        C->Rip = CodeStart;
        Rsp = cpl == 3 ? UserStack : Stack;
        Cpu.UpdateMode();
    }
}
