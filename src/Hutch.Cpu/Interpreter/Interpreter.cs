using System;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Interpreter;

/// <summary>What one interpreted instruction came to.</summary>
internal enum StepResult
{
    /// <summary>The instruction completed, or its fault was delivered: go on at RIP.</summary>
    Continue,

    /// <summary>HLT completed: RIP is behind it; wait for an event.</summary>
    Halt,

    /// <summary>A fault during delivery of a double fault.</summary>
    TripleFault,

    /// <summary>The instruction cannot be executed by this engine; the vCPU's Failure says which.</summary>
    Failed,
}

/// <summary>
/// Executes one instruction at a time from the state in memory: the reference semantics in every mode. An instruction that faults changes nothing
/// (a repetition: nothing of the iteration that faults), RIP goes back to its start, and the fault is delivered before <see cref="Step"/> returns.
/// </summary>
internal sealed unsafe class Interpreter : IDisposable
{
    private const ulong EferLma = 1 << 10, Cr4Umip = 1 << 11, Cr4Pcide = 1 << 17;

    private readonly VcpuContext* _c;
    private readonly InstructionSource _source;
    private readonly StackOps _stack;
    private readonly StringOps _strings;
    private readonly FlagOps _flags;
    private readonly DecimalOps _decimal;
    private readonly SystemTables _tables;
    private readonly ControlRegisters _controlRegisters;
    private readonly SystemCalls _systemCalls;
    private readonly Identification _identification;
    private bool _halted, _shadow, _stackShadow, _keepRip, _keepResumeFlag;

    public Interpreter(SoftVcpu vcpu)
    {
        Vcpu = vcpu;
        _c = vcpu.Context;
        Addresses = new AddressComputer(vcpu);
        Operands = new Operands(vcpu, Addresses);
        Descriptors = new Descriptors(vcpu);
        Segments = new Segments(this);
        Exceptions = new Exceptions(this);
        Tasks = new TaskSwitch(this);
        Control = new Control(this);
        Ports = new Ports(this);
        Debug = new Debugging(this);
        VirtualFlags = new VirtualFlags(vcpu);
        Host = new HostExecutor(vcpu, Addresses);
        _source = new InstructionSource(vcpu);
        _stack = new StackOps(this);
        _strings = new StringOps(this);
        _flags = new FlagOps(this);
        _decimal = new DecimalOps(this);
        _tables = new SystemTables(this);
        _controlRegisters = new ControlRegisters(this);
        _systemCalls = new SystemCalls(this);
        _identification = new Identification(this);
    }

    public SoftVcpu Vcpu { get; }

    public AddressComputer Addresses { get; }

    public Operands Operands { get; }

    public Descriptors Descriptors { get; }

    public Segments Segments { get; }

    public Exceptions Exceptions { get; }

    public TaskSwitch Tasks { get; }

    public Control Control { get; }

    public Ports Ports { get; }

    public Debugging Debug { get; }

    public VirtualFlags VirtualFlags { get; }

    /// <summary>Runs arithmetic on the host CPU.</summary>
    public HostExecutor Host { get; }

    /// <summary>An x87 or SIMD exception is unmasked.</summary>
    public bool HasUnmaskedFpException => (*(uint*)(_c->Xsave + 24) & 0x1f80) != 0x1f80 || (*(ushort*)_c->Xsave & 0x3f) != 0x3f;

    /// <summary>CR0.PE and not virtual-8086 mode.</summary>
    public bool IsProtected => (_c->Mode & (uint)BlockMode.Protected) != 0;

    /// <summary>64-bit code.</summary>
    public bool IsLong64 => (_c->Mode & (uint)BlockMode.Long64) != 0;

    /// <summary>EFER.LMA: 64-bit or compatibility mode.</summary>
    public bool IsLongMode => (_c->Efer & EferLma) != 0;

    /// <summary>TF was set when the current instruction began.</summary>
    public bool SingleStepping { get; private set; }

    /// <summary>A fault waits for delivery.</summary>
    public bool FaultPending => Vcpu.Fault.Raised;

    /// <summary>Whether bits 47 to 63 are equal.</summary>
    public bool IsCanonical(ulong address) => (ulong)((long)(address << 16) >> 16) == address;

    /// <summary>Executes one instruction, or a bounded part of a repetition, or delivers the fault it raises.</summary>
    public StepResult Step()
    {
        ulong start = _c->Rip;
        SingleStepping = (_c->SystemFlags & Flags.Tf) != 0;
        _halted = _shadow = _stackShadow = _keepRip = _keepResumeFlag = false;
        bool completed = ExecuteNext();
        StepResult result = completed ? Complete() : Fault(start);
        Vcpu.CompleteWrites();
        if ((_c->InterruptFlag & _c->MaskedInterrupt) != 0) _c->WindowRequest = _c->MaskedInterrupt;
        return result;
    }

    /// <summary>Interrupts (and after MOV SS debug traps) wait until one more instruction has completed.</summary>
    public void BeginShadow(bool stack)
    {
        _shadow = true;
        _stackShadow = stack;
    }

    /// <summary>No single-step trap follows the current instruction.</summary>
    public void SuppressTrap() => SingleStepping = false;

    /// <summary>A fault from here on belongs to the instruction at the present RIP: a task switch has happened.</summary>
    public void KeepRip() => _keepRip = true;

    /// <summary>RF was loaded by the current instruction and holds for the next.</summary>
    public void KeepResumeFlag() => _keepResumeFlag = true;

    /// <summary>Makes the context area of the current CR3 current.</summary>
    public void SelectContext(bool keep)
    {
        ulong pcid = (_c->Cr4 & Cr4Pcide) != 0 ? _c->Cr3 & 0xfff : 0;
        Vcpu.Contexts.Select((_c->Cr3 & 0x000f_ffff_ffff_f000) | pcid, keep);
    }

    /// <summary>Whether SGDT and its kin are allowed: #GP(0) if not.</summary>
    public bool AllowedUnderUmip() => _c->Cpl == 0 || (_c->Cr4 & Cr4Umip) == 0 || Vcpu.Raise(Vector.GeneralProtection, 0);

    /// <summary>Delivers an external interrupt that the APIC or PIC has handed out. False: triple fault.</summary>
    public bool DeliverInterrupt(byte vector) => Deliver(vector, EventKind.External);

    /// <summary>Delivers an NMI. False: triple fault.</summary>
    public bool DeliverNmi() => Deliver((int)Vector.Nmi, EventKind.Nmi);

    /// <summary>Delivers an event that does not come from an instruction. False: triple fault.</summary>
    public bool Deliver(int vector, EventKind kind, uint? error = null)
    {
        bool delivered = Exceptions.Deliver(new GuestEvent((byte)vector, kind, error.HasValue, error.GetValueOrDefault()));
        Vcpu.CompleteWrites();
        return delivered;
    }

    /// <summary>State after a hardware reset (Intel SDM 3A table 9-1).</summary>
    public void Reset() => ResetState.Apply(Vcpu);

    /// <summary>State after INIT: MSRs but EFER, x87, SSE and AVX state stay.</summary>
    public void Initialise() => ResetState.Initialise(Vcpu);

    private bool ExecuteNext()
    {
        if ((_c->Mode & (uint)BlockMode.InterpretOnly) != 0 && !Debug.CheckExecution(_source.LinearRip)) return false;
        ref DecodedInstruction d = ref _source.Next(out bool fetched);
        if (!fetched) return false;
        ulong next = _c->Rip + (ulong)d.Instruction.Length;
        if (d.Bitness != 64) next = (uint)next;
        if (d.Family == InstructionFamily.Host)
        {
            if (!Host.Execute(d.Instruction, d.Span, d.Form)) return false;
            _c->Rip = next;
            return true;
        }
        _c->Rip = next;
        return ExecuteSpecial(d);
    }

    private bool ExecuteSpecial(in DecodedInstruction d)
    {
        switch (d.Family)
        {
            case InstructionFamily.Nothing: return true;
            case InstructionFamily.Control: return Control.Execute(d.Instruction);
            case InstructionFamily.Stack: return _stack.Execute(d.Instruction);
            case InstructionFamily.String: return _strings.Execute(d.Instruction);
            case InstructionFamily.Flag: return _flags.Execute(d.Instruction);
            case InstructionFamily.Decimal: return _decimal.Execute(d.Instruction);
            case InstructionFamily.LoadSegment: return Segments.MoveTo(d.Instruction);
            case InstructionFamily.StoreSegment: return Segments.MoveFrom(d.Instruction);
            case InstructionFamily.FarPointer: return Segments.LoadFarPointer(d.Instruction);
            case InstructionFamily.InspectSelector: return Segments.Inspect(d.Instruction);
            case InstructionFamily.AdjustRpl: return Segments.AdjustRpl(d.Instruction);
            case InstructionFamily.Table: return _tables.Execute(d.Instruction);
            case InstructionFamily.ControlRegister: return _controlRegisters.Move(d.Instruction);
            case InstructionFamily.DebugRegister: return Debug.Move(d.Instruction);
            case InstructionFamily.LoadStatusWord: return _controlRegisters.LoadStatusWord(d.Instruction);
            case InstructionFamily.StoreStatusWord: return _controlRegisters.StoreStatusWord(d.Instruction);
            case InstructionFamily.ClearTaskSwitched: return _controlRegisters.ClearTaskSwitched();
            case InstructionFamily.SetExtended: return _controlRegisters.SetExtended();
            case InstructionFamily.GetExtended: return _controlRegisters.GetExtended();
            case InstructionFamily.Identify: return _identification.Execute(d.Instruction);
            case InstructionFamily.Port: return Ports.Execute(d.Instruction);
            case InstructionFamily.SystemCall: return SystemCall(d);
            case InstructionFamily.Hypercall: return Hypercall();
            case InstructionFamily.Halt: return Halt();
            default: return Vcpu.Raise(Vector.InvalidOpcode);
        }
    }

    private bool SystemCall(in DecodedInstruction d)
    {
        bool done = _systemCalls.Execute(d.Instruction);
        // Single-stepping goes by the flags that the system call or return leaves.
        SingleStepping = (_c->SystemFlags & Flags.Tf) != 0;
        return done;
    }

    private bool Halt()
    {
        if (_c->Cpl != 0) return Vcpu.Raise(Vector.GeneralProtection, 0);
        _halted = true;
        return true;
    }

    private bool Hypercall()
    {
        ulong* registers = _c->Gpr;
        // Outside 64-bit mode the registers have 32 bits.
        ulong kept = IsLong64 ? ulong.MaxValue : uint.MaxValue;
        registers[GuestRegisters.Rax] = Vcpu.Hypercalls.Call(_c->Cpl, registers[GuestRegisters.Rax] & kept, registers[GuestRegisters.Rbx] & kept, registers[GuestRegisters.Rcx] & kept) & kept;
        return true;
    }

    private StepResult Complete()
    {
        _c->InterruptShadow = _shadow ? (byte)1 : (byte)0;
        if (!_keepResumeFlag) _c->SystemFlags &= ~(uint)Flags.Rf;
        // A data breakpoint on MOV SS is held, too, until the next instruction has completed.
        if (!_stackShadow && !Debug.CheckTraps(SingleStepping))
        {
            if (!Exceptions.DeliverPending()) return StepResult.TripleFault;
            return StepResult.Continue;
        }
        return _halted ? StepResult.Halt : StepResult.Continue;
    }

    private StepResult Fault(ulong start)
    {
        if (!_keepRip) _c->Rip = start;
        Addresses.BreakpointHits = 0;
        return Exceptions.DeliverPending() ? StepResult.Continue : StepResult.TripleFault;
    }

    /// <inheritdoc/>
    public void Dispose() => Host.Dispose();
}
