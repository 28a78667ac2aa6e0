using Hutch.Cpu.State;

namespace Hutch.Cpu.Interpreter;

/// <summary>
/// Delivery of exceptions and interrupts (Intel SDM 3A chapter 6): chooses the form by mode, and turns faults during delivery into the next
/// exception, a double fault or a triple fault (SDM 3A table 6-5).
/// </summary>
internal sealed unsafe class Exceptions(Interpreter cpu)
{
    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;
    private readonly LongModeDelivery _long = new(cpu);
    private readonly ProtectedModeDelivery _protected = new(cpu);

    /// <summary>Delivers the fault that is pending on the vCPU. False: triple fault.</summary>
    public bool DeliverPending()
    {
        PendingFault fault = _vcpu.Fault;
        _vcpu.ClearFault();
        if (fault.Vector == Vector.PageFault) _c->Cr2 = fault.Address;
        return Deliver(GuestEvent.Of(fault));
    }

    /// <summary>Delivers an event, and whatever its delivery leads to. RIP is where the handler returns to. False: triple fault.</summary>
    public bool Deliver(GuestEvent e)
    {
        while (!TryDeliver(e))
        {
            PendingFault second = _vcpu.Fault;
            _vcpu.ClearFault();
            if (e.Vector == (byte)Vector.DoubleFault && e.Kind == EventKind.Fault) return false;
            if (second.Vector == Vector.PageFault) _c->Cr2 = second.Address;
            e = e.Kind == EventKind.Fault && Doubles((Vector)e.Vector, second.Vector) ? GuestEvent.DoubleFault : GuestEvent.Of(second);
        }
        _c->InterruptShadow = 0;
        return true;
    }

    /// <summary>Delivers one event. False: a fault is pending and the vCPU is as it was.</summary>
    public bool TryDeliver(in GuestEvent e)
    {
        bool delivered = (_c->Cr0 & 1) == 0 ? DeliverReal(e) : cpu.IsLongMode ? _long.Deliver(e) : _protected.Deliver(e);
        if (delivered && e.Kind == EventKind.Nmi) _c->NmiBlocked = 1;
        return delivered;
    }

    /// <summary>Executes INT n, INT3, INTO or INT1; RIP is behind the instruction already. False: a fault is pending.</summary>
    public bool Software(byte vector, EventKind kind)
    {
        if (kind == EventKind.SoftwareInterrupt)
        {
            if (cpu.VirtualFlags.IsRedirected(vector, out bool faulted)) return DeliverToProgram(vector);
            if (faulted) return false;
        }
        if (kind == EventKind.SoftwareInterrupt && cpu.VirtualFlags.IsRestricted)
            return _vcpu.Raise(Vector.GeneralProtection, 0);
        return TryDeliver(new GuestEvent(vector, kind));
    }

    private static bool Doubles(Vector first, Vector second)
    {
        if (first == Vector.PageFault) return second == Vector.PageFault || Contributory(second);
        return Contributory(first) && Contributory(second);
    }

    private static bool Contributory(Vector v) =>
        v is Vector.DivideError or Vector.InvalidTss or Vector.SegmentNotPresent or Vector.StackFault or Vector.GeneralProtection;

    // Virtual-8086 mode extensions: the program's own handler, by the interrupt table at linear address 0 (Intel SDM 3A §20.3.3.4).
    private bool DeliverToProgram(byte vector)
    {
        if (!_vcpu.Linear.ReadSystem((ulong)vector * 4, out uint target)) return false;
        bool isRestricted = cpu.VirtualFlags.IsRestricted;
        StackCursor stack = StackCursor.Current(_vcpu);
        ushort flags = (ushort)(isRestricted ? cpu.VirtualFlags.Image : _c->Rflags);
        if (!stack.Push(flags, 2) || !stack.Push(_c->Segments[(int)Seg.Cs].Selector, 2) || !stack.Push((ushort)_c->Rip, 2)) return false;
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        if (isRestricted) _c->SystemFlags &= ~(uint)Flags.Vif;
        else _c->InterruptFlag = 0;
        _c->SystemFlags &= ~(uint)(Flags.Tf | Flags.Rf);
        cpu.Segments.LoadReal(Seg.Cs, (int)(target >> 16));
        _c->Rip = (ushort)target;
        _vcpu.UpdateMode();
        return true;
    }

    private bool DeliverReal(in GuestEvent e)
    {
        uint at = (uint)e.Vector * 4;
        if (at + 3 > _c->Idtr.Limit) return _vcpu.Raise(Vector.GeneralProtection, 0);
        if (!_vcpu.Linear.ReadSystem(_vcpu.WrapLinear(_c->Idtr.Base + at), out uint target)) return false;
        StackCursor stack = StackCursor.Current(_vcpu);
        if (!stack.Push((ushort)_c->Rflags, 2) || !stack.Push(_c->Segments[(int)Seg.Cs].Selector, 2) || !stack.Push((ushort)_c->Rip, 2)) return false;
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        _c->InterruptFlag = 0;
        _c->AlignmentCheck = 0;
        _c->SystemFlags &= ~(uint)(Flags.Tf | Flags.Rf);
        cpu.Segments.LoadReal(Seg.Cs, (int)(target >> 16));
        _c->Rip = (ushort)target;
        _vcpu.UpdateMode();
        return true;
    }
}
