using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>CLI, STI, CLD, STD, CLAC, STAC.</summary>
internal sealed unsafe class FlagOps(Interpreter cpu)
{
    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;

    /// <summary>Executes one flag instruction. False: a fault is pending.</summary>
    public bool Execute(in Instruction i)
    {
        switch (i.Mnemonic)
        {
            case Mnemonic.Cld: _c->DirectionFlag = 0; return true;
            case Mnemonic.Std: _c->DirectionFlag = 1; return true;
            case Mnemonic.Clac or Mnemonic.Stac:
                if (_c->Cpl != 0) return _vcpu.Raise(Vector.InvalidOpcode);
                _c->AlignmentCheck = i.Mnemonic == Mnemonic.Stac ? (byte)1 : (byte)0;
                _vcpu.UpdateMode();
                return true;
            default: return SetInterruptFlag(i.Mnemonic == Mnemonic.Sti);
        }
    }

    private bool SetInterruptFlag(bool set)
    {
        // In virtual-8086 mode CPL is 3, so the same comparison asks for IOPL 3.
        if ((_c->Cr0 & 1) != 0 && _c->Cpl > (int)(_c->SystemFlags >> 12 & 3))
            return cpu.VirtualFlags.AreInterruptsVirtual ? cpu.VirtualFlags.Set(set) : _vcpu.Raise(Vector.GeneralProtection, 0);
        if (set && _c->InterruptFlag == 0) cpu.BeginShadow(stack: false);
        _c->InterruptFlag = set ? (byte)1 : (byte)0;
        return true;
    }
}
