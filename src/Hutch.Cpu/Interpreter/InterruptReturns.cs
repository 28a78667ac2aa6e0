using Hutch.Core.Engine;
using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>IRET, IRETD and IRETQ in every mode (Intel SDM 2A, "IRET").</summary>
internal sealed unsafe class InterruptReturns(Interpreter cpu)
{
    private const ulong Low16 = 0xffff;

    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;
    private readonly FarReturns _returns = new(cpu);

    /// <summary>Executes an interrupt return. False: a fault is pending.</summary>
    public bool Execute(in Instruction i)
    {
        int size = i.Code switch { Code.Iretw => 2, Code.Iretd => 4, _ => 8 };
        bool done = (_c->Cr0 & 1) == 0 ? Real(size)
            : (_c->SystemFlags & Flags.Vm) != 0 ? Virtual8086(size)
            : (_c->SystemFlags & Flags.Nt) != 0 ? ToPreviousTask()
            : Protected(size);
        // Also when it faults: the processor unblocks NMIs as soon as IRET begins (Intel SDM 3A §6.7.1).
        if (_c->NmiBlocked != 0)
        {
            _c->NmiBlocked = 0;
            if (_vcpu.Apic.IsNmiPending) _c->WindowRequest = 1;
        }
        return done;
    }

    private bool Real(int size)
    {
        StackCursor stack = StackCursor.Current(_vcpu);
        if (!stack.Pop(size, out ulong rip) || !stack.Pop(size, out ulong cs) || !stack.Pop(size, out ulong flags)) return false;
        if (rip > _c->Segments[(int)Seg.Cs].Limit) return _vcpu.Raise(Vector.GeneralProtection, 0);
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        cpu.Segments.LoadReal(Seg.Cs, (ushort)cs);
        _c->Rip = rip;
        SetFlags(flags, (size == 2 ? Low16 : ulong.MaxValue) & ~Flags.Vm);
        _vcpu.UpdateMode();
        return true;
    }

    private bool Virtual8086(int size)
    {
        if (cpu.VirtualFlags.IsRestricted && (size != 2 || !cpu.VirtualFlags.IsVirtual)) return _vcpu.Raise(Vector.GeneralProtection, 0);
        StackCursor stack = StackCursor.Current(_vcpu);
        if (!stack.Pop(size, out ulong rip) || !stack.Pop(size, out ulong cs) || !stack.Pop(size, out ulong flags)) return false;
        if (rip > 0xffff) return _vcpu.Raise(Vector.GeneralProtection, 0);
        if (cpu.VirtualFlags.IsVirtual && !cpu.VirtualFlags.Load(flags)) return false;
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        cpu.Segments.LoadReal(Seg.Cs, (ushort)cs);
        _c->Rip = rip;
        if (!cpu.VirtualFlags.IsVirtual) SetFlags(flags, (size == 2 ? Low16 : ulong.MaxValue) & ~(Flags.Vm | Flags.Iopl | Flags.Vif | Flags.Vip));
        _vcpu.UpdateMode();
        return true;
    }

    private bool ToPreviousTask()
    {
        if (cpu.IsLongMode) return _vcpu.Raise(Vector.GeneralProtection, 0);
        if (!_vcpu.Linear.ReadSystem((uint)_c->Segments[(int)Seg.Tr].Base, out ushort selector)) return false;
        uint error = Descriptors.Error(selector, 0);
        if ((selector & 4) != 0) return _vcpu.Raise(Vector.InvalidTss, error);
        if (!cpu.Descriptors.Read(selector, Vector.InvalidTss, 0, out Descriptor d)) return false;
        if (d.IsSegment || d.Type is not (Descriptor.BusyTss16 or Descriptor.BusyTss32)) return _vcpu.Raise(Vector.InvalidTss, error);
        if (!d.Present) return _vcpu.Raise(Vector.SegmentNotPresent, error);
        return cpu.Tasks.Switch(selector, d, TaskSwitchCause.Return, 0);
    }

    private bool Protected(int size)
    {
        StackCursor stack = StackCursor.Current(_vcpu);
        if (!stack.Pop(size, out ulong rip) || !stack.Pop(size, out ulong cs) || !stack.Pop(size, out ulong flags)) return false;
        if ((flags & Flags.Vm) != 0 && _c->Cpl == 0 && size == 4 && !cpu.IsLongMode) return ToVirtual8086(rip, cs, flags, ref stack);
        int selector = (ushort)cs;
        if (!_returns.CheckCode(selector, out Descriptor code)) return false;
        ulong mask = WritableFlags(size);
        int cpl = selector & 3;
        if (cpl == _c->Cpl && !cpu.IsLong64)
        {
            if (!_returns.TargetAllowed(code, rip) || !cpu.Descriptors.MarkAccessed(code)) return false;
            _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
            _c->Segments[(int)Seg.Cs] = code.ToSegment(selector);
            _c->Rip = rip;
            SetFlags(flags, mask);
            _vcpu.UpdateMode();
            return true;
        }
        if (!stack.Pop(size, out ulong rsp) || !stack.Pop(size, out ulong ss)) return false;
        if (!_returns.PrepareOuterStack((ushort)ss, cpl, code, out SegmentState segment)) return false;
        if (!_returns.TargetAllowed(code, rip) || !cpu.Descriptors.MarkAccessed(code)) return false;
        SetFlags(flags, mask);
        _returns.EnterOuter(code, selector, rip, segment, rsp, 0);
        return true;
    }

    private bool ToVirtual8086(ulong rip, ulong cs, ulong flags, ref StackCursor stack)
    {
        ulong* words = stackalloc ulong[6];
        for (int n = 0; n < 6; n++)
            if (!stack.Pop(4, out words[n])) return false;
        if (rip > 0xffff) return _vcpu.Raise(Vector.GeneralProtection, 0);
        SetFlags(flags, ulong.MaxValue);
        _c->Cpl = 3;
        cpu.Segments.LoadReal(Seg.Cs, (ushort)cs);
        cpu.Segments.LoadReal(Seg.Ss, (ushort)words[1]);
        cpu.Segments.LoadReal(Seg.Es, (ushort)words[2]);
        cpu.Segments.LoadReal(Seg.Ds, (ushort)words[3]);
        cpu.Segments.LoadReal(Seg.Fs, (ushort)words[4]);
        cpu.Segments.LoadReal(Seg.Gs, (ushort)words[5]);
        _c->Gpr[GuestRegisters.Rsp] = (uint)words[0];
        _c->Rip = (ushort)rip;
        _vcpu.UpdateMode();
        return true;
    }

    /// <summary>The flags that IRET of a width may change at the current privilege.</summary>
    private ulong WritableFlags(int size)
    {
        ulong mask = Flags.Arithmetic | Flags.Tf | Flags.Df | Flags.Nt;
        if (_c->Cpl == 0) mask |= Flags.Iopl | (size == 2 ? 0 : cpu.VirtualFlags.Writable);
        if (_c->Cpl <= (int)(_c->SystemFlags >> 12 & 3)) mask |= Flags.If;
        if (size != 2) mask |= Flags.Rf | Flags.Ac | Flags.Id;
        return mask;
    }

    private void SetFlags(ulong flags, ulong mask)
    {
        _c->Rflags = (_c->Rflags & ~mask) | (flags & mask);
        cpu.KeepResumeFlag();
    }
}
