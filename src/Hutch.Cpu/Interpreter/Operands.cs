using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>Reads and writes the explicit operands of an instruction. False always means: a fault is pending and nothing changed.</summary>
internal sealed unsafe class Operands(SoftVcpu vcpu, AddressComputer addresses)
{
    private readonly VcpuContext* _c = vcpu.Context;

    /// <summary>Reads an operand of <paramref name="size"/> bytes, zero-extended (immediates as encoded).</summary>
    public bool Read(in Instruction i, int operand, int size, out ulong value)
    {
        OpKind kind = i.GetOpKind(operand);
        if (kind == OpKind.Register)
        {
            value = GuestRegisters.Read(_c, i.GetOpRegister(operand));
            return true;
        }
        if (IsImmediate(kind))
        {
            value = i.GetImmediate(operand);
            return true;
        }
        value = 0;
        return addresses.Effective(i, operand, size, AccessKind.Read, out ulong linear) && ReadMemory(linear, size, out value);
    }

    /// <summary>Writes an operand of <paramref name="size"/> bytes. A register takes the width of its name.</summary>
    public bool Write(in Instruction i, int operand, int size, ulong value)
    {
        if (i.GetOpKind(operand) == OpKind.Register)
        {
            GuestRegisters.Write(_c, i.GetOpRegister(operand), value);
            return true;
        }
        return addresses.Effective(i, operand, size, AccessKind.Write, out ulong linear) && WriteMemory(linear, size, value);
    }

    /// <summary>Reads 1 to 8 bytes with the rights of the current mode, zero-extended.</summary>
    public bool ReadMemory(ulong linear, int size, out ulong value) => ReadMemory(linear, size, vcpu.DataMode, out value);

    /// <summary>Reads 1 to 8 bytes with given rights, zero-extended.</summary>
    public bool ReadMemory(ulong linear, int size, AccessMode mode, out ulong value)
    {
        ulong local = 0;
        // SAFETY: at most 8 bytes go to an 8-byte local.
        bool ok = vcpu.Linear.Read(linear, &local, size, mode);
        value = local;
        return ok;
    }

    /// <summary>Writes 1 to 8 bytes with the rights of the current mode.</summary>
    public bool WriteMemory(ulong linear, int size, ulong value) => vcpu.Linear.Write(linear, &value, size, vcpu.DataMode);

    /// <summary>Rights of data accesses at a privilege level that is not yet the current one.</summary>
    public AccessMode ModeOf(int cpl)
    {
        const ulong Cr4Smap = 1 << 21;
        if (cpl == 3) return AccessMode.User;
        return (_c->Cr4 & Cr4Smap) != 0 && _c->AlignmentCheck != 0 ? AccessMode.SupervisorAc : AccessMode.Supervisor;
    }

    private static bool IsImmediate(OpKind kind) => kind is >= OpKind.Immediate8 and <= OpKind.Immediate32to64;
}
