using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>CPUID, the time stamp counter, RDPID, PKRU and the model specific registers.</summary>
internal sealed unsafe class Identification(Interpreter cpu)
{
    private const ulong Cr4Tsd = 4, Cr4Pke = 1 << 22;

    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;

    /// <summary>Executes one of them. False: a fault is pending.</summary>
    public bool Execute(in Instruction i)
    {
        switch (i.Mnemonic)
        {
            case Mnemonic.Cpuid:
                _vcpu.Cpuid.Query((uint)_c->Gpr[GuestRegisters.Rax], (uint)_c->Gpr[GuestRegisters.Rcx], out uint a, out uint b, out uint c, out uint d);
                _c->Gpr[GuestRegisters.Rax] = a;
                _c->Gpr[GuestRegisters.Rbx] = b;
                _c->Gpr[GuestRegisters.Rcx] = c;
                _c->Gpr[GuestRegisters.Rdx] = d;
                return true;
            case Mnemonic.Rdpid:
                GuestRegisters.Write(_c, i.Op0Register, _c->TscAux);
                return true;
            case Mnemonic.Rdpkru or Mnemonic.Wrpkru: return AccessKeys(i.Mnemonic == Mnemonic.Wrpkru);
            case Mnemonic.Rdtsc or Mnemonic.Rdtscp: return ReadTime(i.Mnemonic == Mnemonic.Rdtscp);
            case Mnemonic.Rdmsr: return ReadMsr();
            case Mnemonic.Wrmsr: return WriteMsr();
            default: return _vcpu.Raise(Vector.GeneralProtection, 0);
        }
    }

    private bool ReadTime(bool withProcessor)
    {
        if (_c->Cpl != 0 && (_c->Cr4 & Cr4Tsd) != 0) return _vcpu.Raise(Vector.GeneralProtection, 0);
        ReturnPair(_vcpu.Time.ReadTsc());
        if (withProcessor) _c->Gpr[GuestRegisters.Rcx] = (uint)_c->TscAux;
        return true;
    }

    private bool AccessKeys(bool write)
    {
        if ((_c->Cr4 & Cr4Pke) == 0) return _vcpu.Raise(Vector.InvalidOpcode);
        if ((uint)_c->Gpr[GuestRegisters.Rcx] != 0 || (write && (uint)_c->Gpr[GuestRegisters.Rdx] != 0)) return _vcpu.Raise(Vector.GeneralProtection, 0);
        if (write) _vcpu.ProtectionKeys.Write((uint)_c->Gpr[GuestRegisters.Rax]);
        else ReturnPair(_vcpu.ProtectionKeys.Pkru);
        return true;
    }

    private bool ReadMsr()
    {
        if (_c->Cpl != 0 || !_vcpu.Msrs.ReadMsr((uint)_c->Gpr[GuestRegisters.Rcx], out ulong value)) return _vcpu.Raise(Vector.GeneralProtection, 0);
        ReturnPair(value);
        return true;
    }

    private bool WriteMsr()
    {
        ulong value = (uint)_c->Gpr[GuestRegisters.Rax] | (_c->Gpr[GuestRegisters.Rdx] << 32);
        return (_c->Cpl == 0 && _vcpu.Msrs.WriteMsr((uint)_c->Gpr[GuestRegisters.Rcx], value)) || _vcpu.Raise(Vector.GeneralProtection, 0);
    }

    private void ReturnPair(ulong value)
    {
        _c->Gpr[GuestRegisters.Rax] = (uint)value;
        _c->Gpr[GuestRegisters.Rdx] = value >> 32;
    }
}
