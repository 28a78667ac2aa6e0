namespace Hutch.Cpu.Translate;

/// <summary>The parts of a guest instruction's encoding (Intel SDM 2A §2.1-2.3) that re-encoding needs. 64-bit mode; legacy and VEX.</summary>
internal struct InstructionEncoding
{
    /// <summary>66, and the last of F2 and F3 (0: none).</summary>
    public bool OperandSize, Lock;
    public byte Repeat;

    /// <summary>REX as encoded, 0 without; for VEX its R, X, B, W in the same places.</summary>
    public byte Rex;
    public bool Vex;

    /// <summary>Third byte of a three-byte VEX prefix: W vvvv L pp.</summary>
    public byte VexControl;

    /// <summary>Opcode map: 0 one-byte, 1 0F, 2 0F38, 3 0F3A.</summary>
    public byte Map;
    public byte Opcode;
    public bool HasModRm;
    public byte ModRm;

    /// <summary>Offset of what follows ModRM, SIB and displacement: the immediate, which runs to the end.</summary>
    public byte TailOffset;
    public byte Length;

    /// <summary>The ModRM operand is in memory.</summary>
    public readonly bool IsMemory => HasModRm && ModRm < 0xc0;

    /// <summary>ModRM.reg with its REX bit.</summary>
    public readonly int Reg => (ModRm >> 3 & 7) | (Rex & 4) << 1;

    /// <summary>ModRM.rm with its REX bit, of a register operand.</summary>
    public readonly int Rm => (ModRm & 7) | (Rex & 1) << 3;

    /// <summary>VEX.vvvv.</summary>
    public readonly int Vvvv => ~(VexControl >> 3) & 15;

    /// <summary>Register in the opcode's low bits.</summary>
    public readonly int OpcodeRegister => (Opcode & 7) | (Rex & 1) << 3;

    /// <summary>Opcode's condition code.</summary>
    public readonly int Condition => Opcode & 15;

    /// <summary>Parses the bytes of one valid instruction whose length is known.</summary>
    // SAFETY: bytes has length readable bytes; a decoder has accepted them as one instruction, so every field read here lies inside.
    public static unsafe InstructionEncoding Parse(byte* bytes, int length)
    {
        InstructionEncoding e = default;
        e.Length = (byte)length;
        int at = 0;
        byte b;
        for (; ; at++)
        {
            b = bytes[at];
            if (b == 0x66) e.OperandSize = true;
            else if (b is 0xf2 or 0xf3) e.Repeat = b;
            else if (b == 0xf0) e.Lock = true;
            else if (b is not (0x2e or 0x36 or 0x3e or 0x26 or 0x64 or 0x65 or 0x67))
            {
                if (b is < 0x40 or > 0x4f) break;
                e.Rex = b;
                continue;
            }
            e.Rex = 0;
        }
        if (b is 0xc4 or 0xc5) at = ParseVex(ref e, bytes, at);
        else if (b == 0x0f) at = ParseMap(ref e, bytes, at + 1);
        else at++;
        e.Opcode = bytes[at - 1];
        ParseOperands(ref e, bytes, at);
        return e;
    }

    private static unsafe int ParseVex(ref InstructionEncoding e, byte* bytes, int at)
    {
        e.Vex = true;
        int first = bytes[at + 1];
        if (bytes[at] == 0xc5)
        {
            e.Rex = (byte)((~first >> 5) & 4);
            e.VexControl = (byte)(first & 0x7f);
            e.Map = 1;
            return at + 3;
        }
        e.VexControl = bytes[at + 2];
        e.Rex = (byte)((~first >> 5) & 7);
        e.Map = (byte)(first & 31);
        return at + 4;
    }

    private static unsafe int ParseMap(ref InstructionEncoding e, byte* bytes, int at)
    {
        e.Map = bytes[at] switch { 0x38 => 2, 0x3a => 3, _ => 1 };
        return e.Map == 1 ? at + 1 : at + 2;
    }

    private static unsafe void ParseOperands(ref InstructionEncoding e, byte* bytes, int at)
    {
        e.HasModRm = e.Map >= 2 || (e.Map == 1 ? HasModRm0F(e.Opcode) : HasModRmOneByte(e.Opcode));
        if (!e.HasModRm)
        {
            e.TailOffset = (byte)at;
            return;
        }
        e.ModRm = bytes[at++];
        int mod = e.ModRm >> 6, rm = e.ModRm & 7;
        if (mod != 3)
        {
            int sibBase = rm;
            if (rm == 4) sibBase = bytes[at++] & 7;
            if (mod == 1) at++;
            else if (mod == 2 || sibBase == 5) at += 4;
        }
        e.TailOffset = (byte)at;
    }

    private static bool HasModRmOneByte(int opcode) => opcode switch
    {
        < 0x40 => (opcode & 7) < 4,
        0x63 or 0x69 or 0x6b => true,
        >= 0x80 and <= 0x8f => true,
        0xc0 or 0xc1 or 0xc6 or 0xc7 => true,
        >= 0xd0 and <= 0xd3 => true,
        >= 0xd8 and <= 0xdf => true,
        0xf6 or 0xf7 or 0xfe or 0xff => true,
        _ => false,
    };

    private static bool HasModRm0F(int opcode) => opcode switch
    {
        >= 0x04 and <= 0x0c => opcode is 0x0d,
        0x0e => false,
        >= 0x30 and <= 0x37 => false,
        0x77 => false,
        >= 0x80 and <= 0x8f => false,
        >= 0xa0 and <= 0xa2 => false,
        >= 0xa8 and <= 0xaa => false,
        >= 0xc8 and <= 0xcf => false,
        _ => true,
    };
}
