using System;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Cpu.State;
using Hutch.Cpu.Tests.Apic;
using Hutch.Model.Machine;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>
/// A guest in 64-bit mode at CPL 3 whose page tables map the same contents at the same linear addresses as the oracle process. Exceptions are delivered
/// through a real IDT to handlers that end the run: the handler's address and the frame on the kernel stack say what happened.
/// </summary>
internal sealed unsafe class ConformanceGuest : IVcpuExits, IDisposable
{
    // Where random pointers do not go: the oracle has nothing there.
    private const ulong KernelData = 0x7abc_0000, Gdt = KernelData + 0x1000, Tss = KernelData + 0x2000, Stack = KernelData + 0x4000, Handlers = KernelData + 0x4000;
    private const ulong Pml4 = 0x1000, Pdpt = 0x2000, Directory = 0x3000, FirstTable = 0x4000;

    // Physical pages in no order, so that crossing a page by host address would be noticed.
    private const ulong CodePage = 0x10_1000, DataPage0 = 0x10_5000, DataPage1 = 0x10_2000, ReadOnlyPage = 0x10_8000, KernelPages = 0x11_0000;
    private const ulong Present = 1, Writable = 2, User = 4, NoExecute = 1UL << 63;
    private const int MaxSteps = 4000;

    private readonly GuestMemory _memory = GuestMemory.Create(4 << 20);
    private readonly SoftMachine _machine;
    private readonly VcpuContext* _c;
    private readonly byte[] _template, _breakpoints = new byte[OracleLayout.CodeBytes];

    /// <param name="template">Contents of the data pages before every vector.</param>
    public ConformanceGuest(ReadOnlySpan<byte> template)
    {
        _template = template.ToArray();
        Array.Fill(_breakpoints, (byte)0xcc);
        _machine = new SoftMachine(_memory, new CpuTopology(1, 1, 1), new CpuModel("max", ["clzero"], []), new FakeTimers());
        Vcpu = _machine.SoftVcpus[0];
        _c = Vcpu.Context;
        MapPages();
        BuildTables();
        SetUpControlState();
        Bytes(CodePage, 4096).Fill(0xcc);
        _template.AsSpan(0, 4096).CopyTo(Bytes(ReadOnlyPage, 4096));
    }

    public SoftVcpu Vcpu { get; }

    /// <summary>Executes by single interpreted steps.</summary>
    public void Interpret(TestVector vector, TestOutcome outcome)
    {
        Load(vector);
        for (int step = 0; step < MaxSteps && !AtEnd(); step++) Vcpu.Interpreter.Step();
        Store(outcome);
        Unload(vector);
    }

    /// <summary>Executes as a machine does: translated, up to the handler of the INT3 behind the instruction or of a fault.</summary>
    public void Run(TestVector vector, TestOutcome outcome)
    {
        Load(vector);
        VcpuStop stop = Vcpu.Run(this);
        if (stop != VcpuStop.Requested) throw new InvalidOperationException($"{vector.Name}: {stop} {Vcpu.Failure?.Sentence}");
        Store(outcome);
        Unload(vector);
    }

    /// <summary>Fills the code page and puts the vCPU at its start in some mode, for code that nobody knows.</summary>
    public void Place(ReadOnlySpan<byte> page, int mode, TestVector state)
    {
        Load(state);
        Check(_memory.TryCopyIn(CodePage, page));
        _c->Rip = OracleLayout.Code;
        if (mode == 0) return;
        _c->Cpl = 0;
        uint code = mode == 1 ? 0xa09bu : mode == 2 ? 0xc09bu : 0x9bu;
        for (int n = 0; n < 6; n++) _c->Segments[n] = new SegmentState { Selector = 0x10, Limit = 0xffff_ffff, Attributes = 0xc093 };
        _c->Segments[(int)Seg.Cs] = new SegmentState { Selector = 8, Limit = 0xffff_ffff, Attributes = code };
        if (mode == 3) EnterRealMode();
        Vcpu.UpdateMode();
    }

    private void EnterRealMode()
    {
        _c->Cr0 = 0x10;
        _c->Efer = 0;
        for (int n = 0; n < 6; n++) _c->Segments[n] = new SegmentState { Selector = 0x2000, Base = 0x2_0000, Limit = 0xffff, Attributes = 0x93 };
        _c->Segments[(int)Seg.Cs] = new SegmentState { Selector = 0, Base = CodePage, Limit = 0xffff, Attributes = 0x9b };
        _c->Rip = 0;
        _c->Idtr = new TableState { Limit = 0x3ff };
    }

    /// <summary>Puts the state of a vector into the vCPU and its memory.</summary>
    public void Load(TestVector vector)
    {
        _template.AsSpan(0, 4096).CopyTo(Bytes(DataPage0, 4096));
        _template.AsSpan(4096, 4096).CopyTo(Bytes(DataPage1, 4096));
        for (int n = 0; n < vector.PatchLength; n++) *At(vector.PatchAddress + (ulong)n) = vector.Patch[n];
        Check(_memory.TryCopyIn(CodePage + (vector.Rip & 0xfff), vector.Code));
        for (int n = 0; n < 16; n++) _c->Gpr[n] = vector.Gpr[n];
        _c->Rip = vector.Rip;
        _c->Rflags = vector.Flags;
        _c->Cr2 = 0;
        _c->Cpl = 3;
        _c->InterruptShadow = 0;
        SetUserSegments(vector.Bitness);
        vector.Legacy.CopyTo(new Span<byte>(_c->Xsave, OracleLayout.LegacyBytes));
        vector.YmmHigh.CopyTo(new Span<byte>(_c->Xsave + 576, OracleLayout.YmmHighBytes));
        *(uint*)(_c->Xsave + 28) = 0xffff;
        *(ulong*)(_c->Xsave + 512) = 7;
        Vcpu.UpdateMode();
    }

    /// <summary>Reads back what the vector came to.</summary>
    public void Store(TestOutcome outcome)
    {
        for (int n = 0; n < 16; n++) outcome.Gpr[n] = _c->Gpr[n];
        outcome.Rip = _c->Rip;
        outcome.Flags = _c->Rflags;
        outcome.Cr2 = _c->Cr2;
        outcome.Error = 0;
        outcome.Trap = TestOutcome.Completed;
        if (_c->Cpl == 0) ReadFrame(outcome);
        new ReadOnlySpan<byte>(_c->Xsave, OracleLayout.LegacyBytes).CopyTo(outcome.Legacy);
        new ReadOnlySpan<byte>(_c->Xsave + 576, OracleLayout.YmmHighBytes).CopyTo(outcome.YmmHigh);
        Bytes(DataPage0, 4096).CopyTo(outcome.Data);
        Bytes(DataPage1, 4096).CopyTo(outcome.Data.AsSpan(4096));
    }

    /// <summary>The instruction's place becomes INT3s again.</summary>
    public void Unload(TestVector vector) => Check(_memory.TryCopyIn(CodePage + (vector.Rip & 0xfff), _breakpoints));

    /// <summary>At an INT3 of the code page, or in the kernel.</summary>
    public bool AtEnd()
    {
        if (_c->Cpl == 0) return true;
        return (_c->Rip & ~0xfffUL) == OracleLayout.Code && *_memory.HostAddress(CodePage + (_c->Rip & 0xfff)) == 0xcc;
    }

    private void ReadFrame(TestOutcome outcome)
    {
        int trap = (int)((_c->Rip - Handlers) / 16);
        ulong* frame = (ulong*)At(_c->Gpr[4]);
        if (trap is 8 or (>= 10 and <= 14) or 17) outcome.Error = *frame++;
        outcome.Trap = trap;
        outcome.Rip = frame[0];
        outcome.Flags = frame[2];
        outcome.Gpr[4] = frame[3];
        if (trap != 3) return;
        outcome.Trap = TestOutcome.Completed;
        outcome.Rip--;
    }

    private static void Check(bool done)
    {
        if (!done) throw new InvalidOperationException("The guest's memory is too small.");
    }

    void IVcpuExits.WritePort(ushort port, ReadOnlySpan<byte> data) => Vcpu.RequestStop();

    void IVcpuExits.ReadPort(ushort port, Span<byte> data) => data.Fill(0xff);

    void IVcpuExits.ReadMmio(ulong address, Span<byte> data) => data.Fill(0xff);

    void IVcpuExits.WriteMmio(ulong address, ReadOnlySpan<byte> data) { }

    void IVcpuExits.EndOfInterrupt(byte vector) { }

    int IVcpuExits.AcknowledgeExternalInterrupt() => -1;

    private Span<byte> Bytes(ulong physical, int length) => new(_memory.HostAddress(physical), length);

    private byte* At(ulong linear) => _memory.HostAddress(Physical(linear & ~0xfffUL) | (linear & 0xfff));

    private static ulong Physical(ulong page) => page switch
    {
        OracleLayout.Code => CodePage,
        OracleLayout.Data => DataPage0,
        OracleLayout.Data + 0x1000 => DataPage1,
        OracleLayout.ReadOnly => ReadOnlyPage,
        _ => KernelPages + (page - KernelData),
    };

    private void Put(ulong physical, ulong value) => *(ulong*)_memory.HostAddress(physical) = value;

    private void MapPages()
    {
        Put(Pml4, Pdpt | Present | Writable | User);
        Put(Pdpt + 8, Directory | Present | Writable | User);
        Map(OracleLayout.Code, User);
        Map(OracleLayout.Data, User | Writable | NoExecute);
        Map(OracleLayout.Data + 0x1000, User | Writable | NoExecute);
        Map(OracleLayout.ReadOnly, User | NoExecute);
        for (ulong page = KernelData; page <= Handlers; page += 0x1000) Map(page, Writable);
    }

    private void Map(ulong page, ulong rights)
    {
        ulong slot = (page >> 21) & 0x1ff, table = FirstTable + (slot >> 7) * 0x1000;
        Put(Directory + slot * 8, table | Present | Writable | User);
        Put(table + ((page >> 12) & 0x1ff) * 8, Physical(page) | Present | rights);
    }

    private void BuildTables()
    {
        for (ulong vector = 0; vector < 32; vector++)
        {
            ulong handler = Handlers + vector * 16;
            ulong* gate = (ulong*)At(KernelData + vector * 16);
            // Interrupt gates; user code may use INT3.
            ulong type = vector == 3 ? 0xee00UL : 0x8e00UL;
            gate[0] = (handler & 0xffff) | 0x08UL << 16 | type << 32 | (handler & 0xffff_0000) << 32;
            gate[1] = handler >> 32;
            // out 0xf4, al; jmp $: ends the run.
            *(uint*)At(handler) = 0xfeeb_f4e6;
        }
        ((ulong*)At(Gdt))[1] = 0x00af_9b00_0000_ffff;
        *(ulong*)At(Tss + 4) = Stack;
        _c->Idtr = new TableState { Base = KernelData, Limit = 32 * 16 - 1 };
        _c->Gdtr = new TableState { Base = Gdt, Limit = 15 };
        _c->Segments[(int)Seg.Tr] = new SegmentState { Selector = 0x40, Base = Tss, Limit = 0x67, Attributes = 0x8b };
    }

    private void SetUpControlState()
    {
        _c->Cr3 = Pml4;
        _c->Cr0 = 0x8005_0033;         // PG, AM, WP, NE, ET, MP, PE
        _c->Cr4 = 0x5_0620;            // OSXSAVE, FSGSBASE, OSXMMEXCPT, OSFXSR, PAE
        _c->Efer = 0xd01;              // NXE, LMA, LME, SCE
        _c->Xcr0 = 7;
        Vcpu.Contexts.Select(Pml4, keep: false);
    }

    private void SetUserSegments(int bitness)
    {
        for (int n = 0; n < 6; n++) _c->Segments[n] = new SegmentState { Selector = 0x2b, Limit = 0xffff_ffff, Attributes = 0xc0f3 };
        _c->Segments[(int)Seg.Cs] = new SegmentState
        {
            Selector = bitness == 64 ? OracleLayout.Code64 : OracleLayout.Code32, Limit = 0xffff_ffff, Attributes = bitness == 64 ? 0xa0fbu : 0xc0fbu,
        };
        _c->Segments[(int)Seg.Fs].Base = OracleLayout.FsBase;
        _c->Segments[(int)Seg.Gs].Base = OracleLayout.GsBase;
    }

    public void Dispose()
    {
        _machine.Dispose();
        _memory.Dispose();
    }
}
