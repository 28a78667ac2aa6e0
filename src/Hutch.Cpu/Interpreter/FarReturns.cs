using Hutch.Core.Engine;
using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>RETF in every mode (Intel SDM 2B, "RET").</summary>
internal sealed unsafe class FarReturns(Interpreter cpu)
{
    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;

    /// <summary>Executes RETF. False: a fault is pending.</summary>
    public bool Execute(in Instruction i)
    {
        int size = i.Code switch { Code.Retfw or Code.Retfw_imm16 => 2, Code.Retfd or Code.Retfd_imm16 => 4, _ => 8 };
        int release = i.OpCount != 0 ? i.Immediate16 : 0;
        StackCursor stack = StackCursor.Current(_vcpu);
        if (!stack.Pop(size, out ulong rip) || !stack.Pop(size, out ulong cs)) return false;
        int selector = (ushort)cs;
        if (!cpu.IsProtected)
        {
            if (rip > _c->Segments[(int)Seg.Cs].Limit) return _vcpu.Raise(Vector.GeneralProtection, 0);
            stack.Move(release);
            _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
            cpu.Segments.LoadReal(Seg.Cs, selector);
            _c->Rip = rip;
            _vcpu.UpdateMode();
            return true;
        }
        if (!CheckCode(selector, out Descriptor code)) return false;
        stack.Move(release);
        int cpl = selector & 3;
        if (cpl == _c->Cpl)
        {
            if (!TargetAllowed(code, rip) || !cpu.Descriptors.MarkAccessed(code)) return false;
            _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
            Enter(code, selector, rip);
            return true;
        }
        if (!stack.Pop(size, out ulong rsp) || !stack.Pop(size, out ulong ss)) return false;
        if (!PrepareOuterStack((ushort)ss, cpl, code, out SegmentState segment)) return false;
        if (!TargetAllowed(code, rip) || !cpu.Descriptors.MarkAccessed(code)) return false;
        EnterOuter(code, selector, rip, segment, rsp, release);
        return true;
    }

    /// <summary>Checks a code segment that RETF or IRET returns to. False: a fault is pending.</summary>
    public bool CheckCode(int selector, out Descriptor code)
    {
        code = default;
        if ((selector & 0xfffc) == 0) return _vcpu.Raise(Vector.GeneralProtection, 0);
        if (!cpu.Descriptors.Read(selector, Vector.GeneralProtection, 0, out code)) return false;
        uint error = Descriptors.Error(selector, 0);
        int rpl = selector & 3;
        if (!code.IsCode || rpl < _c->Cpl || (code.IsConforming ? code.Dpl > rpl : code.Dpl != rpl)) return _vcpu.Raise(Vector.GeneralProtection, error);
        if (cpu.IsLongMode && code.IsLong && code.IsBig) return _vcpu.Raise(Vector.GeneralProtection, error);
        return code.Present || _vcpu.Raise(Vector.SegmentNotPresent, error);
    }

    /// <summary>Checks where RETF or IRET returns to. False: #GP(0) is pending.</summary>
    public bool TargetAllowed(in Descriptor code, ulong rip)
    {
        bool good = cpu.IsLongMode && code.IsLong ? cpu.IsCanonical(rip) : rip <= code.Limit;
        return good || _vcpu.Raise(Vector.GeneralProtection, 0);
    }

    /// <summary>The SS that an outer level gets. Null only for 64-bit code below CPL 3. False: a fault is pending.</summary>
    public bool PrepareOuterStack(int selector, int cpl, in Descriptor code, out SegmentState segment)
    {
        if ((selector & 0xfffc) == 0)
        {
            segment = Segments.NullStack(selector);
            return (cpu.IsLongMode && code.IsLong && cpl != 3 && (selector & 3) == cpl) || _vcpu.Raise(Vector.GeneralProtection, 0);
        }
        return cpu.Segments.PrepareStack(selector, cpl, Vector.GeneralProtection, 0, out segment);
    }

    /// <summary>Completes a return to an outer level, or in 64-bit mode any return that loads SS.</summary>
    public void EnterOuter(in Descriptor code, int selector, ulong rip, in SegmentState ss, ulong rsp, int release)
    {
        bool outer = (selector & 3) != _c->Cpl;
        _c->Segments[(int)Seg.Ss] = ss;
        Enter(code, selector, rip);
        bool big = (ss.Attributes & (1 << 14)) != 0;
        rsp += (ulong)release;
        if (cpu.IsLong64) _c->Gpr[GuestRegisters.Rsp] = rsp;
        else GuestRegisters.WriteSized(_c, GuestRegisters.Rsp, big ? 4 : 2, rsp);
        if (outer) cpu.Segments.DropInnerDataSegments(_c->Cpl);
        _vcpu.UpdateMode();
    }

    private void Enter(in Descriptor code, int selector, ulong rip)
    {
        _c->Segments[(int)Seg.Cs] = code.ToSegment(selector);
        _c->Cpl = (byte)(selector & 3);
        _c->Rip = rip;
        _vcpu.UpdateMode();
    }
}
