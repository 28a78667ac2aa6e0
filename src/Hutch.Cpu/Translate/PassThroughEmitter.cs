using System;
using System.Numerics;
using Hutch.Cpu.Tables;

namespace Hutch.Cpu.Translate;

/// <summary>
/// Copies instructions whose semantics are the host's. Registers that live elsewhere are replaced, a memory operand becomes the checked host address, and
/// what is left of the encoding stays.
/// </summary>
internal sealed unsafe class PassThroughEmitter(Emission emission, MemoryEmitter memory)
{
    // Registers that can be lent for one instruction: no pass-through form uses them implicitly.
    private static ReadOnlySpan<byte> Lendable => [HostState.Rsi, HostState.Rdi, HostState.Rbp, 8, 9, 12];

    private readonly CodeWriter _code = emission.Code;
    private readonly int[] _hostOf = new int[16];
    private int _lent = -1;
    private uint _free, _used;

    /// <summary>Forms that are translated: AH to BH exclude a REX prefix, and with it the register where the guest's RSP lives.</summary>
    public static bool IsTranslated(in InstructionEncoding e, GprRoles roles)
    {
        bool high = IsHigh(e, roles, GprRoles.RegByte, e.Reg) || (!e.IsMemory && IsHigh(e, roles, GprRoles.RmByte, e.Rm));
        return !high || (GuestRegisters(e, roles) & HostState.RemappedMask) == 0;
    }

    /// <summary>Emits one instruction.</summary>
    public void Emit(in GuestInstruction g, byte* bytes)
    {
        ref readonly InstructionEncoding e = ref g.Encoding;
        uint used = GuestRegisters(e, g.Roles);
        HostOperand operand = HostOperand.None;
        if (!e.IsMemory && (used & HostState.RemappedMask) == 0)
        {
            emission.Flags.BeforeOperation(g, ref operand);
            _code.Copy(bytes, e.Length);
            return;
        }
        if (e.IsMemory)
        {
            int alignment = (g.Form.Traits & FormTraits.Aligned) != 0 ? g.Form.MemorySize : 0;
            operand = memory.Access(g, g.Form.MemorySize, (g.Form.Traits & FormTraits.Writes) != 0, alignment);
        }
        emission.Flags.BeforeOperation(g, ref operand);
        Place(e, g.Roles, used, ref operand);
        Write(e, bytes, operand, Map(e.Reg, g.Roles & GprRoles.Reg, IsHigh(e, g.Roles, GprRoles.RegByte, e.Reg)),
            Map(e.Rm, g.Roles & GprRoles.Rm, IsHigh(e, g.Roles, GprRoles.RmByte, e.Rm)), g.Roles);
        Finish(e, g.Roles, used);
    }

    /// <summary>Emits an operation on an operand that is already in a host register instead of ModRM.rm (DIV's divisor).</summary>
    public void WriteWithRm(in InstructionEncoding e, byte* bytes, int hostRm)
    {
        Write(e, bytes, HostOperand.None, e.Reg & 7, hostRm, GprRoles.None);
    }

    private static bool IsHigh(in InstructionEncoding e, GprRoles roles, GprRoles byteRole, int register) =>
        (roles & byteRole) != 0 && e.Rex == 0 && register is >= 4 and < 8;

    // Guest registers that the encoding names, as a mask; AH to BH are not among them.
    private static uint GuestRegisters(in InstructionEncoding e, GprRoles roles)
    {
        uint used = 0;
        if ((roles & GprRoles.Reg) != 0 && !IsHigh(e, roles, GprRoles.RegByte, e.Reg)) used |= 1u << e.Reg;
        if ((roles & GprRoles.Rm) != 0 && !e.IsMemory && !IsHigh(e, roles, GprRoles.RmByte, e.Rm)) used |= 1u << e.Rm;
        if ((roles & GprRoles.Vvvv) != 0) used |= 1u << e.Vvvv;
        if ((roles & GprRoles.OpcodeField) != 0 && !IsHigh(e, roles, GprRoles.OpcodeByte, e.OpcodeRegister)) used |= 1u << e.OpcodeRegister;
        return used;
    }

    // Finds host registers for the guest registers that live in the context and loads those that are read.
    private void Place(in InstructionEncoding e, GprRoles roles, uint used, ref HostOperand operand)
    {
        _used = used;
        _lent = -1;
        _free = 1u << HostState.R10 | 1u << HostState.R11;
        if (operand.Base >= 0)
        {
            if (UsesHighByte(e, roles) && (operand.Base >= 8 || operand.Index >= 8)) MoveToLowRegister(ref operand);
            else if (operand.Index >= 0 && (used & HostState.ResidentMask) != 0)
            {
                _code.Lea(HostState.R11, operand);
                operand = new HostOperand(HostState.R11);
            }
            _free &= ~(1u << operand.Base | (operand.Index >= 0 ? 1u << operand.Index : 0));
        }
        uint resident = used & HostState.ResidentMask;
        while (resident != 0)
        {
            int guest = BitOperations.TrailingZeroCount(resident);
            resident &= resident - 1;
            int host = Take();
            _hostOf[guest] = host;
            if (IsRead(e, roles, guest)) _code.LoadGs(host, HostState.GprOffset(guest));
        }
    }

    private static bool UsesHighByte(in InstructionEncoding e, GprRoles roles) => IsHigh(e, roles, GprRoles.RegByte, e.Reg);

    // AH to BH exclude REX and with it R8 to R15: the address goes to RSI, which such an instruction cannot name otherwise.
    private void MoveToLowRegister(ref HostOperand operand)
    {
        Lend(HostState.Rsi);
        _code.Lea(HostState.Rsi, operand);
        operand = new HostOperand(HostState.Rsi);
    }

    private int Take()
    {
        if (_free != 0)
        {
            int register = BitOperations.TrailingZeroCount(_free);
            _free &= _free - 1;
            return register;
        }
        // An instruction has at most three general operands, or two and a memory operand: one lent register is enough.
        int candidate = 0;
        while ((_used >> Lendable[candidate] & 1) != 0) candidate++;
        Lend(Lendable[candidate]);
        return _lent;
    }

    private void Lend(int register)
    {
        _lent = register;
        _code.StoreGs(HostState.Spill, register);
    }

    private static bool IsRead(in InstructionEncoding e, GprRoles roles, int guest) =>
        ((roles & GprRoles.RegRead) != 0 && e.Reg == guest) || ((roles & GprRoles.RmRead) != 0 && !e.IsMemory && e.Rm == guest)
        || ((roles & GprRoles.VvvvRead) != 0 && e.Vvvv == guest) || ((roles & GprRoles.OpcodeRead) != 0 && e.OpcodeRegister == guest);

    private static bool IsWritten(in InstructionEncoding e, GprRoles roles, int guest) =>
        ((roles & GprRoles.RegWrite) != 0 && e.Reg == guest) || ((roles & GprRoles.RmWrite) != 0 && !e.IsMemory && e.Rm == guest)
        || ((roles & GprRoles.VvvvWrite) != 0 && e.Vvvv == guest) || ((roles & GprRoles.OpcodeWrite) != 0 && e.OpcodeRegister == guest);

    // Stores the context's registers that were written and returns what was lent.
    private void Finish(in InstructionEncoding e, GprRoles roles, uint used)
    {
        uint resident = used & HostState.ResidentMask;
        while (resident != 0)
        {
            int guest = BitOperations.TrailingZeroCount(resident);
            resident &= resident - 1;
            if (IsWritten(e, roles, guest)) _code.StoreGs(HostState.GprOffset(guest), _hostOf[guest]);
        }
        if (_lent >= 0) _code.LoadGs(_lent, HostState.Spill);
    }

    private int Map(int register, GprRoles role, bool high)
    {
        if (role == 0 || high) return register;
        if (register == HostState.Rsp) return HostState.GuestRsp;
        return (HostState.ResidentMask >> register & 1) != 0 ? _hostOf[register] : register;
    }

    private void Write(in InstructionEncoding e, byte* bytes, in HostOperand operand, int reg, int rm, GprRoles roles)
    {
        int opcode = e.Opcode;
        bool isMemory = operand.Base >= 0;
        if (!e.HasModRm)
        {
            reg = rm = 0;
            if ((roles & GprRoles.OpcodeField) != 0)
            {
                rm = Map(e.OpcodeRegister, roles & GprRoles.OpcodeField, IsHigh(e, roles, GprRoles.OpcodeByte, e.OpcodeRegister));
                opcode = (opcode & ~7) | (rm & 7);
            }
        }
        int rex = (e.Rex & 0x48) | (reg >> 3) << 2 | (isMemory ? (operand.Index >= 8 ? 2 : 0) | operand.Base >> 3 : rm >> 3);
        if (e.Vex) WriteVex(e, rex, Map(e.Vvvv, roles & GprRoles.Vvvv, false));
        else WriteLegacy(e, rex);
        _code.Byte(opcode);
        if (e.HasModRm)
        {
            if (isMemory) _code.ModRm(reg & 7, operand.Base, operand.Index, 0, operand.Displacement);
            else _code.Byte(0xc0 | (reg & 7) << 3 | (rm & 7));
        }
        _code.Copy(bytes + e.TailOffset, e.Length - e.TailOffset);
    }

    private void WriteLegacy(in InstructionEncoding e, int rex)
    {
        if (e.Lock) _code.Byte(0xf0);
        if (e.OperandSize) _code.Byte(0x66);
        if (e.Repeat != 0) _code.Byte(e.Repeat);
        if (rex != 0) _code.Byte(rex | 0x40);
        if (e.Map != 0) _code.Byte(0x0f);
        if (e.Map == 2) _code.Byte(0x38);
        else if (e.Map == 3) _code.Byte(0x3a);
    }

    private void WriteVex(in InstructionEncoding e, int rex, int vvvv)
    {
        int control = (e.VexControl & 0x87) | (~vvvv & 15) << 3;
        _code.Byte(0xc4);
        _code.Byte((~rex & 7) << 5 | e.Map);
        _code.Byte(control);
    }
}
