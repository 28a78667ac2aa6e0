using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>Debug registers, breakpoints and single-stepping (Intel SDM 3B chapter 18).</summary>
internal sealed unsafe class Debugging(Interpreter cpu)
{
    private const ulong Dr6Fixed = 0xffff_0ff0, Dr6Known = 0xe00f, Bd = 1 << 13, Bs = 1 << 14, Bt = 1 << 15;
    private const ulong Dr7Fixed = 0x400, Dr7Known = 0xffff_23ff, Gd = 1 << 13, Cr4De = 8;

    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;
    private ulong _pending;

    /// <summary>Bytes that breakpoint <paramref name="n"/> covers.</summary>
    public static ulong BreakpointLength(ulong dr7, int n) => (dr7 >> (18 + n * 4) & 3) switch { 0 => 1, 1 => 2, 2 => 8, _ => 4 };

    /// <summary>An I/O access may hit a breakpoint of type 2.</summary>
    public void NotePort(ushort port, int size)
    {
        ulong dr7 = _c->Dr[7];
        for (int n = 0; n < 4; n++)
        {
            if ((dr7 >> (n * 2) & 3) == 0 || (dr7 >> (16 + n * 4) & 3) != 2) continue;
            ulong length = BreakpointLength(dr7, n), start = _c->Dr[n] & ~(length - 1);
            if (port < start + length && start < port + (ulong)size) cpu.Addresses.BreakpointHits |= 1UL << n;
        }
    }

    /// <summary>A task switch entered a task whose T bit is set.</summary>
    public void RaiseTaskTrap() => _pending |= Bt;

    /// <summary>Checks for an instruction breakpoint at a linear address. False: #DB is pending, before the instruction.</summary>
    public bool CheckExecution(ulong linear)
    {
        ulong dr7 = _c->Dr[7];
        if ((dr7 & 0xff) == 0 || (_c->SystemFlags & Flags.Rf) != 0) return true;
        ulong hits = 0;
        for (int n = 0; n < 4; n++)
            if ((dr7 >> (n * 2) & 3) != 0 && (dr7 >> (16 + n * 4) & 3) == 0 && _c->Dr[n] == linear) hits |= 1UL << n;
        return hits == 0 || Raise(hits);
    }

    /// <summary>After an instruction: single-step and data breakpoints. False: #DB is pending, a trap.</summary>
    public bool CheckTraps(bool singleStep)
    {
        ulong hits = cpu.Addresses.BreakpointHits | _pending | (singleStep ? Bs : 0);
        if (hits == 0) return true;
        cpu.Addresses.BreakpointHits = 0;
        _pending = 0;
        return Raise(hits);
    }

    /// <summary>INT1 right behind MOV SS reports the data breakpoint that was held; behind other software interrupts it traps.</summary>
    public void ReportHeldBreakpoints()
    {
        _c->Dr[6] |= cpu.Addresses.BreakpointHits;
        cpu.Addresses.BreakpointHits = 0;
    }

    /// <summary>MOV with a debug register. False: a fault is pending.</summary>
    public bool Move(in Instruction i)
    {
        bool write = i.Op0Register is >= Register.DR0 and <= Register.DR15;
        int n = (write ? i.Op0Register : i.Op1Register) - Register.DR0;
        if (n > 7 || (n is 4 or 5 && (_c->Cr4 & Cr4De) != 0)) return _vcpu.Raise(Vector.InvalidOpcode);
        if (_c->Cpl != 0) return _vcpu.Raise(Vector.GeneralProtection, 0);
        if ((_c->Dr[7] & Gd) != 0) return Raise(Bd);
        if (n is 4 or 5) n += 2;
        if (!write)
        {
            GuestRegisters.Write(_c, i.Op0Register, _c->Dr[n]);
            return true;
        }
        ulong value = GuestRegisters.Read(_c, i.Op1Register);
        if (n >= 6 && (value >> 32) != 0) return _vcpu.Raise(Vector.GeneralProtection, 0);
        _c->Dr[n] = n switch { 6 => (value & Dr6Known) | Dr6Fixed, 7 => (value & Dr7Known) | Dr7Fixed, _ => value };
        _vcpu.UpdateMode();
        return true;
    }

    private bool Raise(ulong bits)
    {
        _c->Dr[6] = (_c->Dr[6] & ~0xfUL) | bits | Dr6Fixed;
        _c->Dr[7] &= ~Gd;
        return _vcpu.Raise(Vector.Debug);
    }
}
