using Hutch.Core.Engine;
using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>SYSCALL, SYSRET, SYSENTER, SYSEXIT (Intel SDM 3A §5.8.7, §5.8.8; AMD APM 2 §6.1 for the 32-bit forms).</summary>
internal sealed unsafe class SystemCalls(Interpreter cpu)
{
    private const ulong EferSce = 1;
    private const uint Code64 = 0xa09b, Code32 = 0xc09b, Data32 = 0xc093, UserDpl = 0x60;

    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;

    /// <summary>Executes one of the four. RIP is behind the instruction. False: a fault is pending.</summary>
    public bool Execute(in Instruction i) => i.Mnemonic switch
    {
        Mnemonic.Syscall => Call(),
        Mnemonic.Sysret or Mnemonic.Sysretq => Return(i.Code == Code.Sysretq),
        Mnemonic.Sysenter => Enter(),
        _ => Exit(i.Code == Code.Sysexitq),
    };

    private bool Call()
    {
        if ((_c->Efer & EferSce) == 0 || !cpu.IsProtected) return _vcpu.Raise(Vector.InvalidOpcode);
        int cs = (int)(_c->Star >> 32) & 0xfffc;
        if (cpu.IsLongMode)
        {
            ulong target = cpu.IsLong64 ? _c->Lstar : _c->Cstar;
            ulong flags = _c->Rflags & ~Flags.Rf;
            _c->Gpr[GuestRegisters.Rcx] = _c->Rip;
            _c->Gpr[GuestRegisters.R11] = flags;
            _c->Rflags = flags & ~_c->SyscallMask;
            SetSegments(cs, Code64, cs + 8, 0);
            _c->Rip = target;
            return true;
        }
        _c->Gpr[GuestRegisters.Rcx] = (uint)_c->Rip;
        _c->Rflags &= ~(Flags.If | Flags.Vm | Flags.Rf);
        SetSegments(cs, Code32, cs + 8, 0);
        _c->Rip = (uint)_c->Star;
        return true;
    }

    private bool Return(bool to64)
    {
        if ((_c->Efer & EferSce) == 0 || !cpu.IsProtected) return _vcpu.Raise(Vector.InvalidOpcode);
        ulong target = _c->Gpr[GuestRegisters.Rcx];
        if (_c->Cpl != 0 || (to64 && !cpu.IsCanonical(target))) return _vcpu.Raise(Vector.GeneralProtection, 0);
        int start = (int)(_c->Star >> 48) & 0xfffc;
        if (cpu.IsLong64) _c->Rflags = (_c->Gpr[GuestRegisters.R11] & 0x3c7fd7 & ~Flags.Rf) | 2;
        else _c->InterruptFlag = 1;
        SetSegments((to64 ? start + 16 : start) | 3, (to64 ? Code64 : Code32) | UserDpl, (start + 8) | 3, UserDpl);
        _c->Rip = to64 ? target : (uint)target;
        return true;
    }

    private bool Enter()
    {
        if ((_c->Cr0 & 1) == 0 || (_c->SysenterCs & 0xfffc) == 0) return _vcpu.Raise(Vector.GeneralProtection, 0);
        int cs = (int)_c->SysenterCs & 0xfffc;
        bool lma = cpu.IsLongMode;
        _c->InterruptFlag = 0;
        _c->SystemFlags &= ~(uint)(Flags.Vm | Flags.Rf);
        _c->Gpr[GuestRegisters.Rsp] = lma ? _c->SysenterEsp : (uint)_c->SysenterEsp;
        SetSegments(cs, lma ? Code64 : Code32, cs + 8, 0);
        _c->Rip = lma ? _c->SysenterEip : (uint)_c->SysenterEip;
        return true;
    }

    private bool Exit(bool to64)
    {
        if ((_c->Cr0 & 1) == 0 || (_c->SysenterCs & 0xfffc) == 0 || _c->Cpl != 0) return _vcpu.Raise(Vector.GeneralProtection, 0);
        ulong target = _c->Gpr[GuestRegisters.Rdx], rsp = _c->Gpr[GuestRegisters.Rcx];
        if (to64 && (!cpu.IsCanonical(target) || !cpu.IsCanonical(rsp))) return _vcpu.Raise(Vector.GeneralProtection, 0);
        int cs = ((int)_c->SysenterCs & 0xfffc) + (to64 ? 32 : 16);
        SetSegments(cs | 3, (to64 ? Code64 : Code32) | UserDpl, (cs + 8) | 3, UserDpl);
        _c->Gpr[GuestRegisters.Rsp] = to64 ? rsp : (uint)rsp;
        _c->Rip = to64 ? target : (uint)target;
        return true;
    }

    private void SetSegments(int cs, uint code, int ss, uint dpl)
    {
        _c->Segments[(int)Seg.Cs] = new SegmentState { Selector = (ushort)cs, Limit = 0xffff_ffff, Attributes = code };
        _c->Segments[(int)Seg.Ss] = new SegmentState { Selector = (ushort)ss, Limit = 0xffff_ffff, Attributes = Data32 | dpl };
        _c->Cpl = (byte)(dpl != 0 ? 3 : 0);
        _vcpu.UpdateMode();
    }
}
