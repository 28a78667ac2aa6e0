using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Translate;

/// <summary>Instructions on state in the context: interrupt flag, direction flag, SMAP override, segment bases, time stamps.</summary>
internal sealed unsafe class SystemEmitter(Emission emission)
{
    private readonly CodeWriter _code = emission.Code;

    /// <summary>STI: an interrupt that waits for IF asks for attention at the next poll, which is behind the next instruction.</summary>
    public void Sti()
    {
        _code.StoreGsByte(HostState.InterruptFlag, 1);
        _code.Bytes(0x2514_b60f_4465, 6);            // movzx r10d, byte gs:[MaskedInterrupt]
        _code.Dword(HostState.MaskedInterrupt);
        _code.Gs32(0x88, HostState.R10, HostState.WindowRequest);
    }

    public void Cli() => _code.StoreGsByte(HostState.InterruptFlag, 0);

    /// <summary>CLD and STD.</summary>
    public void Direction(int value) => _code.StoreGsByte(HostState.DirectionFlag, value);

    /// <summary>
    /// STAC and CLAC at CPL 0. Where CR4.SMAP is clear, the two supervisor tables allow the same, so the mode may say AC all the same.
    /// </summary>
    public void AlignmentCheck(bool set)
    {
        emission.Access = set ? AccessMode.SupervisorAc : AccessMode.Supervisor;
        _code.StoreGsByte(HostState.AlignmentCheck, set ? 1 : 0);
        _code.StoreGsByte(HostState.Mode, (int)((emission.Mode & ~BlockMode.AccessMask) | (BlockMode)emission.Access) & 0xff);
    }

    public void SwapGs()
    {
        _code.LoadGs(HostState.R10, HostState.GsBase);
        _code.LoadGs(HostState.R11, HostState.KernelGsBase);
        _code.StoreGs(HostState.GsBase, HostState.R11);
        _code.StoreGs(HostState.KernelGsBase, HostState.R10);
    }

    /// <summary>RDTSC, or RDTSCP with the guest's TSC_AUX. Leaves flags alone.</summary>
    public void ReadTimeStamp(bool withAux)
    {
        if (withAux) _code.Bytes(0xf9010f, 3);
        else _code.Bytes(0x310f, 2);
        _code.Bytes(0x20d2_f0fb_e3c4, 6);            // rorx rdx, rdx, 32
        _code.Lea(HostState.Rax, HostState.Rax, HostState.Rdx, 0, 0);
        _code.LoadGs(HostState.R10, HostState.TscOffset);
        _code.Lea(HostState.Rax, HostState.Rax, HostState.R10, 0, 0);
        _code.Bytes(0x20d0_f0fb_e3c4, 6);            // rorx rdx, rax, 32
        _code.Move32(HostState.Rdx, HostState.Rdx);
        _code.Move32(HostState.Rax, HostState.Rax);
        if (withAux) _code.Gs32(0x8b, HostState.Rcx, HostState.TscAux);
    }

    /// <summary>RDFSBASE and RDGSBASE.</summary>
    public void ReadBase(in GuestInstruction g, int place)
    {
        Split(g.Iced.Op0Register, out int guest, out bool wide);
        bool resident = (HostState.ResidentMask >> guest & 1) != 0;
        int to = resident ? HostState.R10 : guest == HostState.Rsp ? HostState.GuestRsp : guest;
        if (wide) _code.LoadGs(to, place);
        else _code.Gs32(0x8b, to, place);
        if (resident) _code.StoreGs(HostState.GprOffset(guest), to);
    }

    /// <summary>WRFSBASE and WRGSBASE; an address that is not canonical goes to the interpreter, which raises #GP.</summary>
    public void WriteBase(in GuestInstruction g, int place)
    {
        Split(g.Iced.Op0Register, out int guest, out bool wide);
        int from = guest == HostState.Rsp ? HostState.GuestRsp : guest;
        if (wide) emission.Flags.BeforeCheck(g.LiveIn);
        if ((HostState.ResidentMask >> guest & 1) != 0) _code.LoadGs(from = HostState.R11, HostState.GprOffset(guest));
        if (!wide) _code.Move32(HostState.R11, from);
        else
        {
            if (from != HostState.R11) _code.Move(HostState.R11, from);
            _code.Move(HostState.R10, HostState.R11);
            _code.Bytes(0x10e2_c149, 4);             // shl r10, 16
            _code.Bytes(0x10fa_c149, 4);             // sar r10, 16
            _code.Bytes(0xda394d, 3);                // cmp r10, r11
            emission.Cold.Interpret(_code.JumpIfHole(HostState.NotEqual), g.Rip);
        }
        _code.StoreGs(place, HostState.R11);
    }

    private static void Split(Register register, out int guest, out bool wide)
    {
        wide = register is >= Register.RAX and <= Register.R15;
        guest = wide ? register - Register.RAX : register - Register.EAX;
    }
}
