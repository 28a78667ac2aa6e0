using Hutch.Core.Engine;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Interpreter;

/// <summary>Delivery through 16 and 32-bit interrupt, trap and task gates, from protected and virtual-8086 mode (Intel SDM 3A §6.11, §6.12, §20.3).</summary>
internal sealed unsafe class ProtectedModeDelivery(Interpreter cpu)
{
    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;

    /// <summary>Delivers one event. False: a fault is pending and the vCPU is as it was.</summary>
    public bool Deliver(in GuestEvent e)
    {
        uint ext = e.Ext, gateError = ((uint)e.Vector << 3) | 2 | ext, at = (uint)e.Vector * 8;
        if (at + 7 > _c->Idtr.Limit) return _vcpu.Raise(Vector.GeneralProtection, gateError);
        if (!_vcpu.Linear.ReadSystem((uint)(_c->Idtr.Base + at), out ulong raw)) return false;
        Descriptor gate = new(raw, 0);
        if (gate.IsSegment || gate.Type is not (Descriptor.TaskGate or Descriptor.InterruptGate16 or Descriptor.TrapGate16
            or Descriptor.InterruptGate32 or Descriptor.TrapGate32)) return _vcpu.Raise(Vector.GeneralProtection, gateError);
        if (e.ChecksGate && gate.Dpl < _c->Cpl) return _vcpu.Raise(Vector.GeneralProtection, gateError);
        if (!gate.Present) return _vcpu.Raise(Vector.SegmentNotPresent, gateError);
        if (gate.Type == Descriptor.TaskGate) return ThroughTaskGate(e, gate);

        int selector = gate.GateSelector;
        if ((selector & 0xfffc) == 0) return _vcpu.Raise(Vector.GeneralProtection, ext);
        if (!cpu.Descriptors.Read(selector, Vector.GeneralProtection, ext, out Descriptor code)) return false;
        uint error = Descriptors.Error(selector, ext);
        if (!code.IsCode || code.Dpl > _c->Cpl) return _vcpu.Raise(Vector.GeneralProtection, error);
        if (!code.Present) return _vcpu.Raise(Vector.SegmentNotPresent, error);
        bool vm = (_c->SystemFlags & Flags.Vm) != 0;
        if (vm && (code.IsConforming || code.Dpl != 0)) return _vcpu.Raise(Vector.GeneralProtection, error);

        int cpl = code.IsConforming ? _c->Cpl : code.Dpl;
        SegmentState ss = _c->Segments[(int)Seg.Ss];
        StackCursor stack = StackCursor.Current(_vcpu);
        stack.Error = ext;
        if (cpl != _c->Cpl && !InnerStack(cpl, ext, out ss, out stack)) return false;
        uint target = gate.Type is Descriptor.InterruptGate16 or Descriptor.TrapGate16 ? gate.GateOffset & 0xffff : gate.GateOffset;
        if (!PushFrame(e, gate, cpl != _c->Cpl, vm, ref stack)) return false;
        if (target > code.Limit) return _vcpu.Raise(Vector.GeneralProtection, ext);
        if (!cpu.Descriptors.MarkAccessed(code)) return false;
        Commit(gate, code, selector, cpl, vm, target, ss, stack.Pointer);
        return true;
    }

    /// <summary>The stack of an inner level, from the TSS. False: #TS, #SS or a page fault is pending.</summary>
    public bool InnerStack(int cpl, uint ext, out SegmentState ss, out StackCursor stack)
    {
        ref SegmentState tss = ref _c->Segments[(int)Seg.Tr];
        ss = default;
        stack = default;
        bool wide = (tss.Attributes & 8) != 0;
        uint at = wide ? 4u + (uint)cpl * 8 : 2u + (uint)cpl * 4;
        if (at + (wide ? 5u : 3u) > tss.Limit) return _vcpu.Raise(Vector.InvalidTss, Descriptors.Error(tss.Selector, ext));
        if (!cpu.Operands.ReadMemory((uint)(tss.Base + at), wide ? 4 : 2, AccessMode.Supervisor, out ulong pointer)
            || !cpu.Operands.ReadMemory((uint)(tss.Base + at + (wide ? 4u : 2u)), 2, AccessMode.Supervisor, out ulong selector)) return false;
        if (!cpu.Segments.PrepareStack((int)selector, cpl, Vector.InvalidTss, ext, out ss)) return false;
        stack = StackCursor.Of(_vcpu, ss, pointer, long64: false, cpu.Operands.ModeOf(cpl), Descriptors.Error((int)selector, ext));
        return true;
    }

    private bool PushFrame(in GuestEvent e, in Descriptor gate, bool inner, bool vm, ref StackCursor stack)
    {
        int size = gate.Type is Descriptor.InterruptGate16 or Descriptor.TrapGate16 ? 2 : 4;
        if (vm && (!Push(Seg.Gs, size, ref stack) || !Push(Seg.Fs, size, ref stack) || !Push(Seg.Ds, size, ref stack) || !Push(Seg.Es, size, ref stack))) return false;
        if (inner && (!Push(Seg.Ss, size, ref stack) || !stack.Push(_c->Gpr[GuestRegisters.Rsp], size))) return false;
        ulong flags = _c->Rflags | (e.Kind == EventKind.Fault ? Flags.Rf : 0);
        return stack.Push(flags, size) && Push(Seg.Cs, size, ref stack) && stack.Push(_c->Rip, size) && (!e.HasError || stack.Push(e.Error, size));
    }

    private bool Push(Seg segment, int size, ref StackCursor stack) => stack.Push(_c->Segments[(int)segment].Selector, size);

    private void Commit(in Descriptor gate, in Descriptor code, int selector, int cpl, bool vm, uint target, in SegmentState ss, ulong pointer)
    {
        if (vm)
            foreach (Seg segment in (System.ReadOnlySpan<Seg>)[Seg.Es, Seg.Ds, Seg.Fs, Seg.Gs]) _c->Segments[(int)segment] = Segments.Null(0);
        _c->Segments[(int)Seg.Ss] = ss;
        _c->Segments[(int)Seg.Cs] = code.ToSegment((selector & 0xfffc) | cpl);
        _c->Cpl = (byte)cpl;
        _c->Gpr[GuestRegisters.Rsp] = pointer;
        _c->Rip = target;
        if (gate.Type is Descriptor.InterruptGate16 or Descriptor.InterruptGate32) _c->InterruptFlag = 0;
        _c->SystemFlags &= ~(uint)(Flags.Tf | Flags.Nt | Flags.Rf | Flags.Vm);
        _vcpu.UpdateMode();
    }

    private bool ThroughTaskGate(in GuestEvent e, in Descriptor gate)
    {
        int selector = gate.GateSelector;
        uint error = Descriptors.Error(selector, e.Ext);
        if ((selector & 4) != 0) return _vcpu.Raise(Vector.GeneralProtection, error);
        if (!cpu.Descriptors.Read(selector, Vector.GeneralProtection, e.Ext, out Descriptor tss)) return false;
        if (tss.IsSegment || tss.Type is not (Descriptor.Tss16 or Descriptor.Tss32)) return _vcpu.Raise(Vector.GeneralProtection, error);
        if (!tss.Present) return _vcpu.Raise(Vector.SegmentNotPresent, error);
        if (!cpu.Tasks.Switch(selector, tss, TaskSwitchCause.Gate, e.Ext, e.Kind == EventKind.Fault ? Flags.Rf : 0)) return false;
        if (!e.HasError) return true;
        StackCursor stack = StackCursor.Current(_vcpu);
        stack.Error = e.Ext;
        if (!stack.Push(e.Error, tss.Type == Descriptor.Tss32 ? 4 : 2)) return false;
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        return true;
    }
}
