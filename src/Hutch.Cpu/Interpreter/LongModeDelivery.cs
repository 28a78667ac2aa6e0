using Hutch.Core.Engine;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Interpreter;

/// <summary>Delivery through 64-bit gates (Intel SDM 3A §6.14).</summary>
internal sealed unsafe class LongModeDelivery(Interpreter cpu)
{
    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;

    /// <summary>Delivers one event. False: a fault is pending and the vCPU is as it was.</summary>
    public bool Deliver(in GuestEvent e)
    {
        uint ext = e.Ext, gateError = ((uint)e.Vector << 3) | 2 | ext, at = (uint)e.Vector * 16;
        if (at + 15 > _c->Idtr.Limit) return _vcpu.Raise(Vector.GeneralProtection, gateError);
        if (!_vcpu.Linear.ReadSystem(_c->Idtr.Base + at, out System.UInt128 raw)) return false;
        Descriptor gate = new((ulong)raw, 0);
        if (gate.IsSegment || gate.Type is not (Descriptor.InterruptGate32 or Descriptor.TrapGate32)) return _vcpu.Raise(Vector.GeneralProtection, gateError);
        if (e.ChecksGate && gate.Dpl < _c->Cpl) return _vcpu.Raise(Vector.GeneralProtection, gateError);
        if (!gate.Present) return _vcpu.Raise(Vector.SegmentNotPresent, gateError);
        ulong target = gate.GateOffset | ((ulong)(raw >> 64) << 32);

        int selector = gate.GateSelector;
        if ((selector & 0xfffc) == 0) return _vcpu.Raise(Vector.GeneralProtection, ext);
        if (!cpu.Descriptors.Read(selector, Vector.GeneralProtection, ext, out Descriptor code)) return false;
        uint error = Descriptors.Error(selector, ext);
        if (!code.IsCode || code.Dpl > _c->Cpl || !code.IsLong || code.IsBig) return _vcpu.Raise(Vector.GeneralProtection, error);
        if (!code.Present) return _vcpu.Raise(Vector.SegmentNotPresent, error);
        int cpl = code.IsConforming ? _c->Cpl : code.Dpl;

        int ist = (int)(gate.Raw >> 32) & 7;
        ulong rsp = _c->Gpr[GuestRegisters.Rsp];
        if ((ist != 0 || cpl != _c->Cpl) && !ReadStack(ist != 0 ? 0x1c + ist * 8 : 4 + cpl * 8, ext, out rsp)) return false;
        if (!cpu.IsCanonical(target)) return _vcpu.Raise(Vector.GeneralProtection, ext);
        if (!PushFrame(e, cpl, ref rsp)) return false;
        if (!cpu.Descriptors.MarkAccessed(code)) return false;
        Commit(gate, code, selector, cpl, target, rsp);
        return true;
    }

    /// <summary>Reads an RSP from the TSS. False: #TS or a page fault is pending.</summary>
    public bool ReadStack(int offset, uint ext, out ulong rsp)
    {
        ref SegmentState tss = ref _c->Segments[(int)Seg.Tr];
        rsp = 0;
        if ((uint)offset + 7 > tss.Limit) return _vcpu.Raise(Vector.InvalidTss, Descriptors.Error(tss.Selector, ext));
        return _vcpu.Linear.ReadSystem(tss.Base + (uint)offset, out rsp);
    }

    private bool PushFrame(in GuestEvent e, int cpl, ref ulong rsp)
    {
        ulong* frame = stackalloc ulong[6];
        frame[0] = e.Error;
        frame[1] = _c->Rip;
        frame[2] = _c->Segments[(int)Seg.Cs].Selector;
        frame[3] = _c->Rflags | (e.Kind == EventKind.Fault ? Flags.Rf : 0);
        frame[4] = _c->Gpr[GuestRegisters.Rsp];
        frame[5] = _c->Segments[(int)Seg.Ss].Selector;
        int words = e.HasError ? 6 : 5;
        StackCursor stack = StackCursor.Of(_vcpu, default, rsp & ~15UL, long64: true, cpu.Operands.ModeOf(cpl), e.Ext);
        // SAFETY: the frame has six words, of which the last five or all are written.
        if (!stack.PushBlock(frame + 6 - words, words * 8)) return false;
        rsp = stack.Pointer;
        return true;
    }

    private void Commit(in Descriptor gate, in Descriptor code, int selector, int cpl, ulong target, ulong rsp)
    {
        if (cpl != _c->Cpl) _c->Segments[(int)Seg.Ss] = Segments.NullStack(cpl);
        _c->Segments[(int)Seg.Cs] = code.ToSegment((selector & 0xfffc) | cpl);
        _c->Cpl = (byte)cpl;
        _c->Gpr[GuestRegisters.Rsp] = rsp;
        _c->Rip = target;
        if (gate.Type == Descriptor.InterruptGate32) _c->InterruptFlag = 0;
        _c->SystemFlags &= ~(uint)(Flags.Tf | Flags.Nt | Flags.Rf | Flags.Vm);
        _vcpu.UpdateMode();
    }
}
