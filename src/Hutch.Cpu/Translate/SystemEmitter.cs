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
        _code.StoreGsByte(Host.InterruptFlag, 1);
        _code.Bytes(0x2514_b60f_4465, 6);            // movzx r10d, byte gs:[MaskedInterrupt]
        _code.Dword(Host.MaskedInterrupt);
        _code.Gs32(0x88, Host.R10, Host.WindowRequest);
    }

    public void Cli() => _code.StoreGsByte(Host.InterruptFlag, 0);

    /// <summary>CLD and STD.</summary>
    public void Direction(int value) => _code.StoreGsByte(Host.DirectionFlag, value);

    /// <summary>
    /// STAC and CLAC at CPL 0. Where CR4.SMAP is clear, the two supervisor tables allow the same, so the mode may say AC all the same.
    /// </summary>
    public void AlignmentCheck(bool set)
    {
        emission.Access = set ? AccessMode.SupervisorAc : AccessMode.Supervisor;
        _code.StoreGsByte(Host.AlignmentCheck, set ? 1 : 0);
        _code.StoreGsByte(Host.Mode, (int)((emission.Mode & ~BlockMode.AccessMask) | (BlockMode)emission.Access) & 0xff);
    }

    public void SwapGs()
    {
        _code.LoadGs(Host.R10, Host.GsBase);
        _code.LoadGs(Host.R11, Host.KernelGsBase);
        _code.StoreGs(Host.GsBase, Host.R11);
        _code.StoreGs(Host.KernelGsBase, Host.R10);
    }

    /// <summary>RDTSC, or RDTSCP with the guest's TSC_AUX. Leaves flags alone.</summary>
    public void ReadTimeStamp(bool withAux)
    {
        if (withAux) _code.Bytes(0xf9010f, 3);
        else _code.Bytes(0x310f, 2);
        _code.Bytes(0x20d2_f0fb_e3c4, 6);            // rorx rdx, rdx, 32
        _code.Lea(Host.Rax, Host.Rax, Host.Rdx, 0, 0);
        _code.LoadGs(Host.R10, Host.TscOffset);
        _code.Lea(Host.Rax, Host.Rax, Host.R10, 0, 0);
        _code.Bytes(0x20d0_f0fb_e3c4, 6);            // rorx rdx, rax, 32
        _code.Move32(Host.Rdx, Host.Rdx);
        _code.Move32(Host.Rax, Host.Rax);
        if (withAux) _code.Gs32(0x8b, Host.Rcx, Host.TscAux);
    }

    /// <summary>RDFSBASE and RDGSBASE.</summary>
    public void ReadBase(in GuestInstruction g, int place)
    {
        Split(g.Iced.Op0Register, out int guest, out bool wide);
        bool resident = (Host.ResidentMask >> guest & 1) != 0;
        int to = resident ? Host.R10 : guest == Host.Rsp ? Host.GuestRsp : guest;
        if (wide) _code.LoadGs(to, place);
        else _code.Gs32(0x8b, to, place);
        if (resident) _code.StoreGs(Host.GprOffset(guest), to);
    }

    /// <summary>WRFSBASE and WRGSBASE; an address that is not canonical goes to the interpreter, which raises #GP.</summary>
    public void WriteBase(in GuestInstruction g, int place)
    {
        Split(g.Iced.Op0Register, out int guest, out bool wide);
        int from = guest == Host.Rsp ? Host.GuestRsp : guest;
        if (wide) emission.Flags.BeforeCheck(g.LiveIn);
        if ((Host.ResidentMask >> guest & 1) != 0) _code.LoadGs(from = Host.R11, Host.GprOffset(guest));
        if (!wide) _code.Move32(Host.R11, from);
        else
        {
            if (from != Host.R11) _code.Move(Host.R11, from);
            _code.Move(Host.R10, Host.R11);
            _code.Bytes(0x10e2_c149, 4);             // shl r10, 16
            _code.Bytes(0x10fa_c149, 4);             // sar r10, 16
            _code.Bytes(0xda394d, 3);                // cmp r10, r11
            emission.Cold.Interpret(_code.JumpIfHole(Host.NotEqual), g.Rip);
        }
        _code.StoreGs(place, Host.R11);
    }

    private static void Split(Register register, out int guest, out bool wide)
    {
        wide = register is >= Register.RAX and <= Register.R15;
        guest = wide ? register - Register.RAX : register - Register.EAX;
    }
}
