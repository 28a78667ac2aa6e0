using Hutch.Core.Engine;
using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>JMP far and CALL far: code segments, call gates, task gates and TSSs (Intel SDM 3A §5.8).</summary>
internal sealed unsafe class FarCalls(Interpreter cpu)
{
    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;
    private readonly LongModeDelivery _long = new(cpu);
    private readonly ProtectedModeDelivery _protected = new(cpu);

    /// <summary>Executes a far transfer. False: a fault is pending.</summary>
    public bool Execute(in Instruction i, bool call)
    {
        if (!ReadTarget(i, out int selector, out ulong offset, out int size)) return false;
        if (!cpu.IsProtected) return Real(selector, offset, size, call);
        if ((selector & 0xfffc) == 0) return _vcpu.Raise(Vector.GeneralProtection, 0);
        if (!cpu.Descriptors.Read(selector, Vector.GeneralProtection, 0, out Descriptor d)) return false;
        if (d.IsSegment) return Direct(selector, d, offset, size, call);
        uint error = Descriptors.Error(selector, 0);
        bool lma = cpu.IsLongMode;
        switch (d.Type)
        {
            case Descriptor.CallGate32:
            case Descriptor.CallGate16 when !lma: return ThroughGate(selector, d, call);
            case Descriptor.TaskGate when !lma: return ToTask(selector, d, call);
            case Descriptor.Tss16 or Descriptor.Tss32 when !lma: return ToTask(selector, d, call);
            default: return _vcpu.Raise(Vector.GeneralProtection, error);
        }
    }

    private bool ReadTarget(in Instruction i, out int selector, out ulong offset, out int size)
    {
        if (i.Op0Kind == OpKind.FarBranch16)
        {
            (selector, offset, size) = (i.FarBranchSelector, i.FarBranch16, 2);
            return true;
        }
        if (i.Op0Kind == OpKind.FarBranch32)
        {
            (selector, offset, size) = (i.FarBranchSelector, i.FarBranch32, 4);
            return true;
        }
        size = i.Code switch { Code.Jmp_m1616 or Code.Call_m1616 => 2, Code.Jmp_m1632 or Code.Call_m1632 => 4, _ => 8 };
        selector = 0;
        offset = 0;
        if (!cpu.Addresses.Effective(i, 0, size + 2, AccessKind.Read, out ulong linear)
            || !cpu.Operands.ReadMemory(linear, size, out offset)
            || !cpu.Operands.ReadMemory(_vcpu.WrapLinear(linear + (ulong)size), 2, out ulong high)) return false;
        selector = (int)high;
        return true;
    }

    private bool Real(int selector, ulong offset, int size, bool call)
    {
        if (offset > _c->Segments[(int)Seg.Cs].Limit) return _vcpu.Raise(Vector.GeneralProtection, 0);
        if (call)
        {
            StackCursor stack = StackCursor.Current(_vcpu);
            if (!stack.Push(_c->Segments[(int)Seg.Cs].Selector, size) || !stack.Push(_c->Rip, size)) return false;
            _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        }
        cpu.Segments.LoadReal(Seg.Cs, selector);
        _c->Rip = offset;
        _vcpu.UpdateMode();
        return true;
    }

    private bool Direct(int selector, in Descriptor code, ulong offset, int size, bool call)
    {
        uint error = Descriptors.Error(selector, 0);
        if (!code.IsCode) return _vcpu.Raise(Vector.GeneralProtection, error);
        bool allowed = code.IsConforming ? code.Dpl <= _c->Cpl : (selector & 3) <= _c->Cpl && code.Dpl == _c->Cpl;
        if (!allowed || (cpu.IsLongMode && code.IsLong && code.IsBig)) return _vcpu.Raise(Vector.GeneralProtection, error);
        if (!code.Present) return _vcpu.Raise(Vector.SegmentNotPresent, error);
        if (!TargetAllowed(code, ref offset)) return false;
        if (call)
        {
            StackCursor stack = StackCursor.Current(_vcpu);
            if (!stack.Push(_c->Segments[(int)Seg.Cs].Selector, size) || !stack.Push(_c->Rip, size)) return false;
            if (!cpu.Descriptors.MarkAccessed(code)) return false;
            _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        }
        else if (!cpu.Descriptors.MarkAccessed(code)) return false;
        Enter(code, selector, _c->Cpl, offset);
        return true;
    }

    private bool TargetAllowed(in Descriptor code, ref ulong offset)
    {
        bool to64 = cpu.IsLongMode && code.IsLong;
        if (to64) return cpu.IsCanonical(offset) || _vcpu.Raise(Vector.GeneralProtection, 0);
        if (offset > code.Limit) return _vcpu.Raise(Vector.GeneralProtection, 0);
        return true;
    }

    private void Enter(in Descriptor code, int selector, int cpl, ulong offset)
    {
        _c->Segments[(int)Seg.Cs] = code.ToSegment((selector & 0xfffc) | cpl);
        _c->Cpl = (byte)cpl;
        _c->Rip = offset;
        _vcpu.UpdateMode();
    }

    private bool ToTask(int selector, Descriptor d, bool call)
    {
        uint error = Descriptors.Error(selector, 0);
        if (d.Dpl < System.Math.Max(_c->Cpl, selector & 3)) return _vcpu.Raise(Vector.GeneralProtection, error);
        if (d.Type == Descriptor.TaskGate)
        {
            if (!d.Present) return _vcpu.Raise(Vector.SegmentNotPresent, error);
            selector = d.GateSelector;
            error = Descriptors.Error(selector, 0);
            if ((selector & 4) != 0) return _vcpu.Raise(Vector.GeneralProtection, error);
            if (!cpu.Descriptors.Read(selector, Vector.GeneralProtection, 0, out d)) return false;
            if (d.IsSegment || d.Type is not (Descriptor.Tss16 or Descriptor.Tss32)) return _vcpu.Raise(Vector.GeneralProtection, error);
        }
        if (!d.Present) return _vcpu.Raise(Vector.SegmentNotPresent, error);
        return cpu.Tasks.Switch(selector, d, call ? TaskSwitchCause.Call : TaskSwitchCause.Jump, 0);
    }

    private bool ThroughGate(int gateSelector, in Descriptor gate, bool call)
    {
        uint gateError = Descriptors.Error(gateSelector, 0);
        bool lma = cpu.IsLongMode;
        if (gate.Dpl < System.Math.Max(_c->Cpl, gateSelector & 3)) return _vcpu.Raise(Vector.GeneralProtection, gateError);
        ulong target = gate.Type == Descriptor.CallGate16 ? gate.GateOffset & 0xffff : gate.GateOffset;
        if (lma)
        {
            if (!cpu.Descriptors.TryRead(gateSelector, 16, out bool outside, out _)) return !outside ? false : _vcpu.Raise(Vector.GeneralProtection, gateError);
            if (!cpu.Descriptors.ReadUpper(gate, out ulong upper)) return false;
            if ((upper >> 40 & 0x1f) != 0) return _vcpu.Raise(Vector.GeneralProtection, gateError);
            target |= upper << 32;
        }
        if (!gate.Present) return _vcpu.Raise(Vector.SegmentNotPresent, gateError);
        int selector = gate.GateSelector;
        if ((selector & 0xfffc) == 0) return _vcpu.Raise(Vector.GeneralProtection, 0);
        if (!cpu.Descriptors.Read(selector, Vector.GeneralProtection, 0, out Descriptor code)) return false;
        uint error = Descriptors.Error(selector, 0);
        if (!code.IsCode || code.Dpl > _c->Cpl || (!call && !code.IsConforming && code.Dpl != _c->Cpl)) return _vcpu.Raise(Vector.GeneralProtection, error);
        if (lma && (!code.IsLong || code.IsBig)) return _vcpu.Raise(Vector.GeneralProtection, error);
        if (!code.Present) return _vcpu.Raise(Vector.SegmentNotPresent, error);
        if (!TargetAllowed(code, ref target)) return false;
        int cpl = code.IsConforming ? _c->Cpl : code.Dpl, size = lma ? 8 : gate.Type == Descriptor.CallGate16 ? 2 : 4;
        if (call && cpl < _c->Cpl) return lma ? InnerLong(code, selector, cpl, target) : Inner(gate, code, selector, cpl, target, size);
        if (call)
        {
            StackCursor stack = StackCursor.Current(_vcpu);
            if (lma) stack.Mask = ulong.MaxValue;
            if (!stack.Push(_c->Segments[(int)Seg.Cs].Selector, size) || !stack.Push(_c->Rip, size) || !cpu.Descriptors.MarkAccessed(code)) return false;
            _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        }
        else if (!cpu.Descriptors.MarkAccessed(code)) return false;
        Enter(code, selector, _c->Cpl, target);
        return true;
    }

    private bool Inner(in Descriptor gate, in Descriptor code, int selector, int cpl, ulong target, int size)
    {
        if (!_protected.InnerStack(cpl, 0, out SegmentState ss, out StackCursor stack)) return false;
        ulong* words = stackalloc ulong[32];
        StackCursor outer = StackCursor.Current(_vcpu);
        int count = gate.GateCount;
        for (int n = 0; n < count; n++)
            if (!outer.Pop(size, out words[n])) return false;
        if (!stack.Push(_c->Segments[(int)Seg.Ss].Selector, size) || !stack.Push(_c->Gpr[GuestRegisters.Rsp], size)) return false;
        for (int n = count - 1; n >= 0; n--)
            if (!stack.Push(words[n], size)) return false;
        if (!stack.Push(_c->Segments[(int)Seg.Cs].Selector, size) || !stack.Push(_c->Rip, size)) return false;
        if (!cpu.Descriptors.MarkAccessed(code)) return false;
        _c->Segments[(int)Seg.Ss] = ss;
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        Enter(code, selector, cpl, target);
        return true;
    }

    private bool InnerLong(in Descriptor code, int selector, int cpl, ulong target)
    {
        if (!_long.ReadStack(4 + cpl * 8, 0, out ulong rsp)) return false;
        StackCursor stack = StackCursor.Of(_vcpu, default, rsp, long64: true, cpu.Operands.ModeOf(cpl), 0);
        if (!stack.Push(_c->Segments[(int)Seg.Ss].Selector, 8) || !stack.Push(_c->Gpr[GuestRegisters.Rsp], 8)
            || !stack.Push(_c->Segments[(int)Seg.Cs].Selector, 8) || !stack.Push(_c->Rip, 8)
            || !cpu.Descriptors.MarkAccessed(code)) return false;
        _c->Segments[(int)Seg.Ss] = Segments.NullStack(cpl);
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        Enter(code, selector, cpl, target);
        return true;
    }
}
