using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>Near control transfers: JMP, CALL, RET, Jcc, LOOPcc, JrCXZ, INT n and its kin. RIP is behind the instruction when these run.</summary>
internal sealed unsafe class Control(Interpreter cpu)
{
    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;
    private readonly FarCalls _far = new(cpu);
    private readonly FarReturns _farReturns = new(cpu);
    private readonly InterruptReturns _interruptReturns = new(cpu);

    /// <summary>Executes one control transfer. False: a fault is pending.</summary>
    public bool Execute(in Instruction i)
    {
        switch (i.Mnemonic)
        {
            case Mnemonic.Jmp: return i.IsJmpFar || i.IsJmpFarIndirect ? _far.Execute(i, call: false) : NearTarget(i, out ulong target) && Go(target);
            case Mnemonic.Call: return i.IsCallFar || i.IsCallFarIndirect ? _far.Execute(i, call: true) : Call(i);
            case Mnemonic.Ret: return Return(i);
            case Mnemonic.Retf: return _farReturns.Execute(i);
            case Mnemonic.Iret or Mnemonic.Iretd or Mnemonic.Iretq: return _interruptReturns.Execute(i);
            case Mnemonic.Jcxz or Mnemonic.Jecxz or Mnemonic.Jrcxz: return (Counter(i) & CounterMask(i)) != 0 || Go(i.NearBranchTarget);
            case Mnemonic.Loop or Mnemonic.Loope or Mnemonic.Loopne: return Loop(i);
            case Mnemonic.Int: return Software(i.Immediate8, EventKind.SoftwareInterrupt);
            case Mnemonic.Int3: return Software((byte)Vector.Breakpoint, EventKind.SoftwareException);
            case Mnemonic.Into:
                return (_c->ArithmeticFlags & Flags.Of) == 0 || Software((byte)Vector.Overflow, EventKind.SoftwareException);
            // A transaction that always aborts at once, without a hint to try again (Intel SDM 1 §16.3.5).
            case Mnemonic.Xbegin:
                if (!Go(i.NearBranchTarget)) return false;
                _c->Gpr[GuestRegisters.Rax] = 0;
                return true;
            case Mnemonic.Xabort: return true;
            case Mnemonic.Xend: return _vcpu.Raise(Vector.GeneralProtection, 0);
            case Mnemonic.Xtest:
                _c->ArithmeticFlags = Flags.Zf;
                return true;
            case Mnemonic.Int1: return Software((byte)Vector.Debug, EventKind.PrivilegedSoftware);
            default: return !AluFlags.Holds(i.ConditionCode, _c->ArithmeticFlags) || Go(i.NearBranchTarget);
        }
    }

    /// <summary>Whether an RIP may be jumped to in the current code segment: #GP(0) if not.</summary>
    public bool Go(ulong target)
    {
        if (!cpu.IsLong64)
        {
            if (target > _c->Segments[(int)Seg.Cs].Limit) return _vcpu.Raise(Vector.GeneralProtection, 0);
        }
        else if (!cpu.IsCanonical(target)) return _vcpu.Raise(Vector.GeneralProtection, 0);
        _c->Rip = target;
        return true;
    }

    /// <summary>Loads CR3 from a task switch: never keeps translations.</summary>
    public void LoadPageTable(ulong cr3)
    {
        _c->Cr3 = cr3;
        cpu.SelectContext(keep: false);
    }

    private bool Software(byte vector, EventKind kind)
    {
        // TF is clear in the handler, and the processor does not trap between the two.
        cpu.SuppressTrap();
        if (!cpu.Exceptions.Software(vector, kind)) return false;
        if (kind == EventKind.PrivilegedSoftware) cpu.Debug.ReportHeldBreakpoints();
        return true;
    }

    private bool NearTarget(in Instruction i, out ulong target)
    {
        OpKind kind = i.Op0Kind;
        if (kind <= OpKind.NearBranch64 && kind >= OpKind.NearBranch16)
        {
            target = i.NearBranchTarget;
            return true;
        }
        int size = i.Code switch { Code.Jmp_rm16 or Code.Call_rm16 => 2, Code.Jmp_rm32 or Code.Call_rm32 => 4, _ => 8 };
        return cpu.Operands.Read(i, 0, size, out target);
    }

    private bool Call(in Instruction i)
    {
        if (!NearTarget(i, out ulong target)) return false;
        ulong back = _c->Rip;
        StackCursor stack = StackCursor.Current(_vcpu);
        if (!Go(target)) return false;
        if (!stack.Push(back, -i.StackPointerIncrement))
        {
            _c->Rip = back;
            return false;
        }
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        return true;
    }

    private bool Return(in Instruction i)
    {
        int size = i.Code switch { Code.Retnw or Code.Retnw_imm16 => 2, Code.Retnd or Code.Retnd_imm16 => 4, _ => 8 };
        StackCursor stack = StackCursor.Current(_vcpu);
        if (!stack.Pop(size, out ulong target) || !Go(target)) return false;
        if (i.OpCount != 0) stack.Move(i.Immediate16);
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        return true;
    }

    private bool Loop(in Instruction i)
    {
        ulong mask = CounterMask(i), count = (Counter(i) - 1) & mask;
        bool taken = count != 0;
        if (i.Mnemonic == Mnemonic.Loope) taken &= (_c->ArithmeticFlags & Flags.Zf) != 0;
        else if (i.Mnemonic == Mnemonic.Loopne) taken &= (_c->ArithmeticFlags & Flags.Zf) == 0;
        if (taken && !Go(i.NearBranchTarget)) return false;
        GuestRegisters.WriteSized(_c, GuestRegisters.Rcx, mask == 0xffff ? 2 : mask == 0xffff_ffff ? 4 : 8, count);
        return true;
    }

    private ulong Counter(in Instruction i) => _c->Gpr[GuestRegisters.Rcx] & CounterMask(i);

    private static ulong CounterMask(in Instruction i)
    {
        switch (i.Code)
        {
            case Code.Loop_rel8_16_CX or Code.Loop_rel8_32_CX or Code.Loope_rel8_16_CX or Code.Loope_rel8_32_CX
                or Code.Loopne_rel8_16_CX or Code.Loopne_rel8_32_CX or Code.Jcxz_rel8_16 or Code.Jcxz_rel8_32: return 0xffff;
            case Code.Loop_rel8_16_RCX or Code.Loop_rel8_64_RCX or Code.Loope_rel8_16_RCX or Code.Loope_rel8_64_RCX
                or Code.Loopne_rel8_16_RCX or Code.Loopne_rel8_64_RCX or Code.Jrcxz_rel8_16 or Code.Jrcxz_rel8_64: return ulong.MaxValue;
            default: return 0xffff_ffff;
        }
    }
}
