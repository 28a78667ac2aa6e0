using System;
using System.Runtime.InteropServices;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Cpu.Apic;
using Hutch.Cpu.Cpuid;
using Hutch.Cpu.Interpreter.Host;
using Hutch.Cpu.Mmu;
using Hutch.Cpu.Msr;
using Hutch.Cpu.Paravirtual;
using Hutch.Cpu.Runtime;
using Hutch.Cpu.State;
using Hutch.Model.Processor;

namespace Hutch.Cpu;

/// <summary>
/// One vCPU of the software engine: owns its native state, TLBs, translations and local APIC. Everything here runs on the vCPU's thread
/// (or while it is stopped), except <see cref="RequestStop"/>, <see cref="Kick"/> and <see cref="Messages"/>.
/// </summary>
internal sealed unsafe class SoftVcpu : IVcpu
{
    private const ulong Cr0Ts = 8, Cr0Em = 4, Cr0Am = 1 << 18, Cr4Tsd = 4, Cr4Osfxsr = 1 << 9, Cr4FsGsBase = 1 << 16, Cr4Osxsave = 1 << 18, Cr4Smap = 1 << 21;
    private const uint CodeLong = 1 << 13, BigBit = 1 << 14;

    private PendingFault _fault;
    private GCHandle _handle;

    public SoftVcpu(SoftMachine machine, int index)
    {
        Machine = machine;
        Index = index;
        ApicId = machine.Topology.ApicId(index);
        Memory = machine.Memory;
        Contexts = new ContextAreas(machine.CodePages.IndexCount);
        Context = Contexts.State;
        _handle = GCHandle.Alloc(this);
        Context->VcpuHandle = GCHandle.ToIntPtr(_handle);
        ProtectionKeys = new ProtectionKeys(this);
        Walker = new PageWalker(this);
        Linear = new LinearMemory(this);
        Messages = new VcpuMessages(this);
        Time = new GuestTime(this, machine.Clock);
        Hypercalls = new Hypercalls(this);
        Cpuid = new VcpuCpuid(this, machine.Cpuid);
        MxcsrWritable = FpuArea.MxcsrWritable | (Cpuid.Has(CpuFeature.MisalignSse) ? FpuArea.MisalignedMode : 0);
        Msrs = new MsrFile(this, machine.Cpuid);
        Apic = new LocalApic(this);
        Interpreter = new Interpreter.Interpreter(this);
        Translations = new Translations(this);
        LockStep = machine.LockStep ? new LockStep(this) : null;
        RunLoop = new RunLoop(this);
    }

    public SoftMachine Machine { get; }

    /// <inheritdoc/>
    public int Index { get; }

    /// <summary>The local APIC's initial id.</summary>
    public int ApicId { get; }

    /// <inheritdoc/>
    public VcpuFailure? Failure { get; set; }

    public GuestMemory Memory { get; }

    public VcpuContext* Context { get; }

    public ContextAreas Contexts { get; }

    public PageWalker Walker { get; }

    /// <summary>PKRU.</summary>
    public ProtectionKeys ProtectionKeys { get; }

    public LinearMemory Linear { get; }

    public Interpreter.Interpreter Interpreter { get; }

    public LocalApic Apic { get; }

    public MsrFile Msrs { get; }

    public VcpuCpuid Cpuid { get; }

    public GuestTime Time { get; }

    public Hypercalls Hypercalls { get; }

    public VcpuMessages Messages { get; }

    public Translations Translations { get; }

    public RunLoop RunLoop { get; }

    /// <summary>The check of translator against interpreter, or null when it is off.</summary>
    public LockStep? LockStep { get; }

    /// <summary>The machine around the vCPU; set while <see cref="Run"/> runs.</summary>
    public IVcpuExits Exits { get; private set; } = NoExits.Instance;

    /// <summary>MXCSR bits that the guest may set.</summary>
    public uint MxcsrWritable { get; }

    /// <summary>Guest physical address bits, as CPUID 0x80000008 says.</summary>
    public int PhysicalAddressBits => Machine.Cpuid.PhysicalAddressBits;

    /// <summary>Translated code may be running: write tags may be in use.</summary>
    public bool InGuest { get => Volatile.Read(ref _inGuest); set => Volatile.Write(ref _inGuest, value); }

    private bool _inGuest;

    /// <summary>The current mode as translated code and look-ups key it.</summary>
    public BlockMode Mode => (BlockMode)Context->Mode;

    /// <summary>Rights of data accesses now.</summary>
    public AccessMode DataMode => (AccessMode)(Context->Mode & (uint)BlockMode.AccessMask);

    /// <summary>Rights of instruction fetches now.</summary>
    public AccessMode CodeMode => Context->Cpl == 3 ? AccessMode.User : AccessMode.Supervisor;

    /// <summary>The fault that waits for delivery.</summary>
    public ref PendingFault Fault => ref _fault;

    /// <summary>Forgets a pending fault.</summary>
    public void ClearFault() => _fault.Raised = false;

    /// <summary>Records a fault without error code. Returns false, so that callers can <c>return vcpu.Raise(...)</c>.</summary>
    public bool Raise(Vector vector)
    {
        _fault = new PendingFault { Raised = true, Vector = vector };
        return false;
    }

    /// <summary>Records a fault with an error code. Returns false.</summary>
    public bool Raise(Vector vector, uint error)
    {
        _fault = new PendingFault { Raised = true, Vector = vector, HasError = true, Error = error };
        return false;
    }

    /// <summary>Records a page fault. Returns false.</summary>
    public bool RaisePageFault(ulong linear, uint error)
    {
        _fault = new PendingFault { Raised = true, Vector = Vector.PageFault, HasError = true, Error = error, Address = linear };
        return false;
    }

    /// <summary>A non-canonical address outside the stack segment: #GP(0). Returns false.</summary>
    public bool RaiseNonCanonical() => Raise(Vector.GeneralProtection, 0);

    /// <summary>Whether an address may be used at all: 48-bit canonical where EFER.LMA is set.</summary>
    public bool IsCanonical(ulong linear) => (ulong)((long)(linear << 16) >> 16) == linear || (Context->Efer & (1 << 10)) == 0;

    /// <summary>Linear addresses are 32 bits wide outside IA-32e mode. In compatibility mode the segment checks keep code and data below 4 GiB, while tables lie anywhere.</summary>
    public ulong WrapLinear(ulong linear) => (Context->Efer & (1 << 10)) != 0 ? linear : (uint)linear;

    /// <summary>A load that is not RAM: local APIC or the machine's MMIO.</summary>
    public void ReadPhysical(ulong physical, Span<byte> data)
    {
        if (IsRunningAhead) return;
        if (Apic.ClaimsMmio(physical)) Apic.ReadMmio(physical & 0xfff, data);
        else Exits.ReadMmio(physical, data);
    }

    /// <summary>A store that is not RAM.</summary>
    public void WritePhysical(ulong physical, ReadOnlySpan<byte> data)
    {
        if (IsRunningAhead) return;
        if (Apic.ClaimsMmio(physical)) Apic.WriteMmio(physical & 0xfff, data);
        else Exits.WriteMmio(physical, data);
    }

    // Devices must not see what the interpreter does ahead of a block.
    private bool IsRunningAhead
    {
        get
        {
            if (LockStep is not { Journal.Active: true } check) return false;
            return check.Journal.Spoiled = true;
        }
    }

    private readonly (ulong Physical, int Size)[] _writes = new (ulong, int)[8];
    private int _writeCount;

    /// <summary>RAM in one page is about to be written by the current instruction: checked for translated code by <see cref="CompleteWrites"/>.</summary>
    public void NoteWrite(ulong physical, byte* host, int size)
    {
        if (LockStep is { Journal.Active: true } check)
        {
            check.Journal.Before(host, size, check.Step);
            return;
        }
        if (_writeCount == _writes.Length) CompleteWrites();
        _writes[_writeCount++] = (physical, size);
    }

    /// <summary>Called when an instruction's writes are done (and before any wait): drops translations of what it wrote.</summary>
    public void CompleteWrites()
    {
        for (int i = 0; i < _writeCount; i++) Machine.CodePages.AfterWrite(_writes[i].Physical, _writes[i].Size, this);
        _writeCount = 0;
    }

    /// <summary>Recomputes <see cref="Mode"/>; called after any change of CPL, CR0, CR4, EFER, XCR0, CS, SS, DS, ES, AC, TF, DR7, MXCSR masks or x87 masks.</summary>
    public void UpdateMode()
    {
        VcpuContext* c = Context;
        BlockMode mode = 0;
        bool user = c->Cpl == 3;
        if (user) mode |= (BlockMode)AccessMode.User;
        else if ((c->Cr4 & Cr4Smap) != 0 && c->AlignmentCheck != 0) mode |= (BlockMode)AccessMode.SupervisorAc;
        bool isProtected = (c->Cr0 & 1) != 0 && (c->SystemFlags & Flags.Vm) == 0;
        if (isProtected) mode |= BlockMode.Protected;
        uint code = c->Segments[(int)Seg.Cs].Attributes;
        if ((c->Efer & (1 << 10)) != 0 && (code & CodeLong) != 0) mode |= BlockMode.Long64;
        else
        {
            if ((code & BigBit) != 0) mode |= BlockMode.Code32;
            if ((c->Segments[(int)Seg.Ss].Attributes & BigBit) != 0) mode |= BlockMode.Stack32;
            if (!isProtected || !IsFlat(Seg.Cs) || !IsFlat(Seg.Ss) || !IsFlat(Seg.Ds) || !IsFlat(Seg.Es)) mode |= BlockMode.Segmented;
        }
        if ((c->Cr0 & (Cr0Ts | Cr0Em)) != 0) mode |= BlockMode.FpuTrap;
        if ((c->Cr4 & Cr4Osfxsr) != 0) mode |= BlockMode.Sse;
        if ((c->Cr4 & Cr4Osxsave) != 0 && (c->Xcr0 & 6) == 6) mode |= BlockMode.Avx;
        if (Interpreter.HasUnmaskedFpException) mode |= BlockMode.StrictFp;
        bool misaligned = (FpuArea.At<uint>(c, FpuArea.Mxcsr) & FpuArea.MisalignedMode) != 0;
        bool alignment = user && c->AlignmentCheck != 0 && (c->Cr0 & Cr0Am) != 0;
        if ((c->SystemFlags & Flags.Tf) != 0 || (c->Dr[7] & 0xff) != 0 || alignment || misaligned) mode |= BlockMode.InterpretOnly;
        if (c->Cpl == 0) mode |= BlockMode.Cpl0;
        if (c->Cpl == 0 || (c->Cr4 & Cr4Tsd) == 0) mode |= BlockMode.Rdtsc;
        if ((c->Cr4 & Cr4FsGsBase) != 0) mode |= BlockMode.FsGsBase;
        Translations.OnModeChange((BlockMode)c->Mode, mode);
        c->Mode = (uint)mode;
    }

    /// <summary>Translated code changes AC without telling: brings the mode's access bits in line with it.</summary>
    public void SyncAccessMode()
    {
        VcpuContext* c = Context;
        if (c->Cpl == 3 || (c->Cr4 & Cr4Smap) == 0) return;
        c->Mode = (c->Mode & ~(uint)BlockMode.AccessMask) | (c->AlignmentCheck != 0 ? (uint)AccessMode.SupervisorAc : 0);
    }

    private bool IsFlat(Seg segment)
    {
        SegmentState s = Context->Segments[(int)segment];
        // Present, writable or code, expand-up; an expand-down or read-only data segment needs the checks of the interpreter.
        bool plain = (s.Attributes & 0x18) == 0x18 || (s.Attributes & 0x1e) == 0x12;
        return s.Base == 0 && s.Limit == 0xffff_ffff && plain && (s.Attributes & (1 << 16)) == 0;
    }

    /// <summary>Any thread: translated code leaves at its next poll, and HLT ends its wait.</summary>
    public void Kick()
    {
        Volatile.Write(ref Context->ExternalRequest, 1);
        RunLoop.Wake();
    }

    /// <inheritdoc/>
    public VcpuStop Run(IVcpuExits exits)
    {
        Exits = exits;
        return RunLoop.Run();
    }

    /// <inheritdoc/>
    public void RequestStop() => RunLoop.RequestStop();

    /// <inheritdoc/>
    public void Reset()
    {
        Interpreter.Reset();
        Msrs.Reset();
        Apic.Reset();
        RunLoop.Reset(Index == 0 ? VcpuActivity.Running : VcpuActivity.WaitForSipi);
        Contexts.FlushAll();
        Contexts.Select(0, keep: false);
        UpdateMode();
    }

    /// <inheritdoc/>
    public void SaveRegisters(X86VcpuState state) => StateTransfer.Save(this, state);

    /// <inheritdoc/>
    public void RestoreRegisters(X86VcpuState state) => StateTransfer.Restore(this, state);

    /// <summary>The managed vCPU of a native state.</summary>
    public static SoftVcpu Of(VcpuContext* context) => (SoftVcpu)GCHandle.FromIntPtr(context->VcpuHandle).Target!;

    /// <inheritdoc/>
    public void Dispose()
    {
        Apic.Dispose();
        Translations.Dispose();
        RunLoop.Dispose();
        Interpreter.Dispose();
        _handle.Free();
        Contexts.Dispose();
    }

    private sealed class NoExits : IVcpuExits
    {
        public static readonly NoExits Instance = new();

        public void ReadPort(ushort port, Span<byte> data) => data.Fill(0xff);
        public void WritePort(ushort port, ReadOnlySpan<byte> data) { }
        public void ReadMmio(ulong address, Span<byte> data) => data.Fill(0xff);
        public void WriteMmio(ulong address, ReadOnlySpan<byte> data) { }
        public void EndOfInterrupt(byte vector) { }
        public int AcknowledgeExternalInterrupt() => -1;
    }
}
