using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>General registers by their decoded names. The numbering of <see cref="Register"/> is AL…, AX…, EAX…, RAX… in encoding order.</summary>
internal static unsafe class GuestRegisters
{
    public const int Rax = 0, Rcx = 1, Rdx = 2, Rbx = 3, Rsp = 4, Rbp = 5, Rsi = 6, Rdi = 7, R11 = 11;

    /// <summary>Bytes of a general register, 0 for any other.</summary>
    public static int Size(Register register) => register switch
    {
        >= Register.RAX and <= Register.R15 => 8,
        >= Register.EAX and <= Register.R15D => 4,
        >= Register.AX and <= Register.R15W => 2,
        >= Register.AL and <= Register.R15L => 1,
        _ => 0,
    };

    /// <summary>Encoding number of a 16, 32 or 64-bit general register.</summary>
    public static int Index(Register register) => register switch
    {
        >= Register.RAX and <= Register.R15 => register - Register.RAX,
        >= Register.EAX and <= Register.R15D => register - Register.EAX,
        _ => register - Register.AX,
    };

    /// <summary>Index into the segment registers of a segment register's name.</summary>
    public static Seg Segment(Register register) => (Seg)(register - Register.ES);

    /// <summary>Reads a general or segment register, zero-extended.</summary>
    public static ulong Read(VcpuContext* c, Register register)
    {
        if (register >= Register.RAX && register <= Register.R15) return c->Gpr[register - Register.RAX];
        if (register >= Register.EAX && register <= Register.R15D) return (uint)c->Gpr[register - Register.EAX];
        if (register >= Register.AX && register <= Register.R15W) return (ushort)c->Gpr[register - Register.AX];
        if (register >= Register.ES && register <= Register.GS) return c->Segments[register - Register.ES].Selector;
        int index = register - Register.AL;
        if (index is >= 4 and < 8) return (byte)(c->Gpr[index - 4] >> 8);
        return (byte)c->Gpr[index < 4 ? index : index - 4];
    }

    /// <summary>Writes a general register; 32-bit writes zero-extend.</summary>
    public static void Write(VcpuContext* c, Register register, ulong value)
    {
        if (register >= Register.RAX && register <= Register.R15) c->Gpr[register - Register.RAX] = value;
        else if (register >= Register.EAX && register <= Register.R15D) c->Gpr[register - Register.EAX] = (uint)value;
        else if (register >= Register.AX && register <= Register.R15W) Merge(ref c->Gpr[register - Register.AX], value, 0xffff);
        else
        {
            int index = register - Register.AL;
            if (index is >= 4 and < 8) Merge(ref c->Gpr[index - 4], value << 8, 0xff00);
            else Merge(ref c->Gpr[index < 4 ? index : index - 4], value, 0xff);
        }
    }

    /// <summary>Writes the low <paramref name="size"/> bytes of a numbered register as an instruction of that operand size would.</summary>
    public static void WriteSized(VcpuContext* c, int index, int size, ulong value)
    {
        if (size == 8) c->Gpr[index] = value;
        else if (size == 4) c->Gpr[index] = (uint)value;
        else Merge(ref c->Gpr[index], value, Mask(size));
    }

    /// <summary>A mask of <paramref name="size"/> low bytes (1, 2, 4 or 8).</summary>
    public static ulong Mask(int size) => ulong.MaxValue >> (64 - (size << 3));

    private static void Merge(ref ulong register, ulong value, ulong mask) => register = (register & ~mask) | (value & mask);
}
