using System;
using Iced.Intel;

namespace Hutch.Cpu.Translate;

/// <summary>Which fields of an encoding name general registers, and how they are used.</summary>
[Flags]
internal enum GprRoles : ushort
{
    None = 0,
    RegRead = 1 << 0,
    RegWrite = 1 << 1,
    RmRead = 1 << 2,
    RmWrite = 1 << 3,
    VvvvRead = 1 << 4,
    VvvvWrite = 1 << 5,
    OpcodeRead = 1 << 6,
    OpcodeWrite = 1 << 7,

    /// <summary>ModRM.reg is an 8-bit register: 4 to 7 without REX are AH to BH.</summary>
    RegByte = 1 << 8,

    /// <summary>As <see cref="RegByte"/>, for ModRM.rm.</summary>
    RmByte = 1 << 9,

    /// <summary>As <see cref="RegByte"/>, for the opcode's low bits.</summary>
    OpcodeByte = 1 << 10,

    /// <summary>A shift or rotate by CL: flags stay as they are when the count is 0.</summary>
    CountInCl = 1 << 11,

    /// <summary>The entry has been computed.</summary>
    Known = 1 << 15,

    Reg = RegRead | RegWrite,
    Rm = RmRead | RmWrite,
    Vvvv = VvvvRead | VvvvWrite,
    OpcodeField = OpcodeRead | OpcodeWrite,
}

/// <summary>Register roles by Iced Code, computed when first asked for.</summary>
internal sealed class OperandRoles
{
    private readonly GprRoles[] _roles = new GprRoles[Enum.GetValues<Code>().Length];
    private readonly InstructionInfoFactory _info = new();

    /// <summary>The roles of an instruction's fields.</summary>
    public GprRoles Get(in Instruction instruction)
    {
        GprRoles roles = _roles[(int)instruction.Code];
        return roles != 0 ? roles : _roles[(int)instruction.Code] = Compute(instruction);
    }

    private GprRoles Compute(in Instruction instruction)
    {
        Instruction sample = instruction;
        // "xor eax, eax" and the like read nothing; the roles must hold for all operands.
        if (sample.OpCount >= 2 && sample.Op0Kind == OpKind.Register && sample.Op1Kind == OpKind.Register && sample.Op0Register == sample.Op1Register)
            sample.Op1Register = IsFirstOfItsKind(sample.Op1Register) ? sample.Op1Register + 1 : sample.Op1Register - 1;
        InstructionInfo info = _info.GetInfo(sample, InstructionInfoOptions.NoMemoryUsage | InstructionInfoOptions.NoRegisterUsage);
        OpCodeInfo opCode = instruction.Code.ToOpCode();
        GprRoles roles = GprRoles.Known;
        for (int i = 0; i < opCode.OpCount; i++) roles |= RolesOf(opCode.GetOpKind(i), info.GetOpAccess(i));
        return roles;
    }

    private static bool IsFirstOfItsKind(Register register) =>
        register is Register.AL or Register.AX or Register.EAX or Register.RAX or Register.MM0 or Register.XMM0 or Register.YMM0;

    private static GprRoles RolesOf(OpCodeOperandKind kind, OpAccess access)
    {
        bool writes = access is OpAccess.Write or OpAccess.CondWrite or OpAccess.ReadWrite or OpAccess.ReadCondWrite;
        bool reads = access != OpAccess.Write;
        switch (kind)
        {
            case OpCodeOperandKind.r8_reg: return Roles(GprRoles.RegRead, true, writes) | GprRoles.RegByte;
            case OpCodeOperandKind.r16_reg: return Roles(GprRoles.RegRead, true, writes);
            case OpCodeOperandKind.r32_reg or OpCodeOperandKind.r64_reg: return Roles(GprRoles.RegRead, reads, writes);
            case OpCodeOperandKind.r8_or_mem: return Roles(GprRoles.RmRead, true, writes) | GprRoles.RmByte;
            case OpCodeOperandKind.r16_or_mem or OpCodeOperandKind.r16_rm: return Roles(GprRoles.RmRead, true, writes);
            case OpCodeOperandKind.r32_or_mem or OpCodeOperandKind.r64_or_mem or OpCodeOperandKind.r32_rm or OpCodeOperandKind.r64_rm:
                return Roles(GprRoles.RmRead, reads, writes);
            case OpCodeOperandKind.r32_vvvv or OpCodeOperandKind.r64_vvvv: return Roles(GprRoles.VvvvRead, reads, writes);
            case OpCodeOperandKind.r8_opcode: return Roles(GprRoles.OpcodeRead, true, writes) | GprRoles.OpcodeByte;
            case OpCodeOperandKind.r16_opcode: return Roles(GprRoles.OpcodeRead, true, writes);
            case OpCodeOperandKind.r32_opcode or OpCodeOperandKind.r64_opcode: return Roles(GprRoles.OpcodeRead, reads, writes);
            case OpCodeOperandKind.cl: return GprRoles.CountInCl;
            default: return GprRoles.None;
        }
    }

    // The write bit of a role is next above its read bit.
    private static GprRoles Roles(GprRoles readBit, bool reads, bool writes) =>
        (reads ? readBit : 0) | (writes ? (GprRoles)((int)readBit << 1) : 0);
}
