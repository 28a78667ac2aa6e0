using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>PUSH, POP, PUSHA, POPA, PUSHF, POPF, ENTER, LEAVE.</summary>
internal sealed unsafe class StackOps(Interpreter cpu)
{
    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;

    /// <summary>Executes one stack instruction. False: a fault is pending.</summary>
    public bool Execute(in Instruction i) => i.Mnemonic switch
    {
        Mnemonic.Push => Push(i),
        Mnemonic.Pop => Pop(i),
        Mnemonic.Pusha or Mnemonic.Pushad => PushAll(i.Code == Code.Pushad ? 4 : 2),
        Mnemonic.Popa or Mnemonic.Popad => PopAll(i.Code == Code.Popad ? 4 : 2),
        Mnemonic.Pushf or Mnemonic.Pushfd or Mnemonic.Pushfq => PushFlags(-i.StackPointerIncrement),
        Mnemonic.Popf or Mnemonic.Popfd or Mnemonic.Popfq => PopFlags(i.StackPointerIncrement),
        Mnemonic.Enter => Enter(i),
        _ => Leave(i.Code switch { Code.Leavew => 2, Code.Leaved => 4, _ => 8 }),
    };

    private bool Push(in Instruction i)
    {
        int size = -i.StackPointerIncrement;
        if (!cpu.Operands.Read(i, 0, size, out ulong value)) return false;
        StackCursor stack = StackCursor.Current(_vcpu);
        if (!stack.Push(value, size)) return false;
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        return true;
    }

    private bool Pop(in Instruction i)
    {
        int size = i.StackPointerIncrement;
        StackCursor stack = StackCursor.Current(_vcpu);
        if (!stack.Pop(size, out ulong value)) return false;
        if (i.Op0Kind == OpKind.Memory)
        {
            // The address is computed with the stack pointer behind the popped value (Intel SDM 2B, POP).
            ulong before = _c->Gpr[GuestRegisters.Rsp];
            _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
            if (cpu.Operands.Write(i, 0, size, value)) return true;
            _c->Gpr[GuestRegisters.Rsp] = before;
            return false;
        }
        Register register = i.Op0Register;
        if (register is >= Register.ES and <= Register.GS)
        {
            Seg segment = GuestRegisters.Segment(register);
            if (!cpu.Segments.Load(segment, (ushort)value)) return false;
            if (segment == Seg.Ss) cpu.BeginShadow(stack: true);
            _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
            return true;
        }
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        GuestRegisters.Write(_c, register, value);
        return true;
    }

    private bool PushAll(int size)
    {
        StackCursor stack = StackCursor.Current(_vcpu);
        for (int n = 0; n < 8; n++)
            if (!stack.Push(_c->Gpr[n], size)) return false;
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        return true;
    }

    private bool PopAll(int size)
    {
        StackCursor stack = StackCursor.Current(_vcpu);
        ulong* values = stackalloc ulong[8];
        for (int n = 7; n >= 0; n--)
            if (!stack.Pop(size, out values[n])) return false;
        for (int n = 0; n < 8; n++)
            if (n != GuestRegisters.Rsp) GuestRegisters.WriteSized(_c, n, size, values[n]);
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        return true;
    }

    private bool BlockedInVirtual8086(int size) =>
        cpu.VirtualFlags.IsRestricted && (size != 2 || !cpu.VirtualFlags.IsVirtual) && !_vcpu.Raise(Vector.GeneralProtection, 0);

    private bool PushFlags(int size)
    {
        if (BlockedInVirtual8086(size)) return false;
        StackCursor stack = StackCursor.Current(_vcpu);
        if (!stack.Push((cpu.VirtualFlags.IsVirtual ? cpu.VirtualFlags.Image : _c->Rflags) & ~(Flags.Rf | Flags.Vm), size)) return false;
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        return true;
    }

    private bool PopFlags(int size)
    {
        if (BlockedInVirtual8086(size)) return false;
        StackCursor stack = StackCursor.Current(_vcpu);
        if (!stack.Pop(size, out ulong flags) || (cpu.VirtualFlags.IsVirtual && !cpu.VirtualFlags.Load(flags))) return false;
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        if (cpu.VirtualFlags.IsVirtual) return true;
        ulong mask = Flags.Arithmetic | Flags.Tf | Flags.Df | Flags.Nt;
        if (size != 2) mask |= Flags.Ac | Flags.Id | Flags.Rf;
        // In the kernel the wide form clears VIF and VIP.
        if (_c->Cpl == 0) mask |= Flags.Iopl | (size == 2 ? 0 : Flags.Vif | Flags.Vip);
        if (_c->Cpl <= (int)(_c->SystemFlags >> 12 & 3)) mask |= Flags.If;
        _c->Rflags = (_c->Rflags & ~mask) | (flags & mask & ~(Flags.Rf | Flags.Vif | Flags.Vip));
        _vcpu.UpdateMode();
        return true;
    }

    private bool Enter(in Instruction i)
    {
        int size = i.Code switch { Code.Enterw_imm16_imm8 => 2, Code.Enterd_imm16_imm8 => 4, _ => 8 };
        int level = i.Immediate8_2nd & 31;
        StackCursor stack = StackCursor.Current(_vcpu);
        ulong bp = _c->Gpr[GuestRegisters.Rbp];
        if (!stack.Push(bp, size)) return false;
        ulong frame = stack.Pointer;
        if (level > 0)
        {
            StackCursor display = stack;
            display.Pointer = bp;
            for (int n = 1; n < level; n++)
            {
                display.Move(-size);
                StackCursor slot = display;
                if (!slot.Pop(size, out ulong pointer) || !stack.Push(pointer, size)) return false;
            }
            if (!stack.Push(frame, size)) return false;
        }
        stack.Move(-i.Immediate16);
        StackCursor probe = stack;
        // The processor checks that the new top of stack can be written.
        if (!cpu.Addresses.Linear(Seg.Ss, probe.Pointer & probe.Mask, 1, AccessKind.Write, out ulong top)
            || !_vcpu.Linear.ProbeWrite(top, 1, _vcpu.DataMode)) return false;
        GuestRegisters.WriteSized(_c, GuestRegisters.Rbp, size, frame);
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        return true;
    }

    private bool Leave(int size)
    {
        StackCursor stack = StackCursor.Current(_vcpu);
        stack.Pointer = (stack.Mask == 0xffff ? stack.Pointer & ~stack.Mask : 0) | (_c->Gpr[GuestRegisters.Rbp] & stack.Mask);
        if (!stack.Pop(size, out ulong bp)) return false;
        _c->Gpr[GuestRegisters.Rsp] = stack.Pointer;
        GuestRegisters.WriteSized(_c, GuestRegisters.Rbp, size, bp);
        return true;
    }
}
