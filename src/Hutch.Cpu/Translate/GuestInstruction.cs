using Hutch.Cpu.Tables;
using Iced.Intel;

namespace Hutch.Cpu.Translate;

/// <summary>How the translator treats an instruction.</summary>
internal enum TranslationKind : byte
{
    /// <summary>Not looked up yet.</summary>
    Unknown,

    /// <summary>Left to the interpreter; ends the block.</summary>
    Interpret,

    /// <summary>By <see cref="InstructionTable"/>: copied, or left to the interpreter.</summary>
    ByTable,

    PassThrough, Nop, Lea, Divide, BitString, String,
    PushRegister, PushImmediate, PushMemory, PopRegister, PopMemory, PushFlags, Leave,
    Call, CallIndirect, Return, Jump, JumpIndirect, JumpIf, Loop, LoopEqual, LoopNotEqual, JumpIfRcxZero,
    Cli, Sti, Cld, Std, Stac, Clac, SwapGs, Rdtsc, Rdtscp, Pause,
    ReadFsBase, ReadGsBase, WriteFsBase, WriteGsBase,
}

/// <summary>A decoded guest instruction and what the passes over the block found out about it.</summary>
internal struct GuestInstruction
{
    public Instruction Iced;
    public InstructionEncoding Encoding;
    public InstructionForm Form;
    public TranslationKind Kind;
    public GprRoles Roles;

    /// <summary>Offset of its bytes in the block.</summary>
    public int Offset;

    /// <summary>Arithmetic flags (Iced's RflagsBits 0-5) that are read; surely overwritten; possibly changed; needed afterwards; needed before.</summary>
    public byte FlagsRead, FlagsKilled, FlagsChanged, LiveOut, LiveIn;

    /// <summary>The guest RIP of the instruction.</summary>
    public readonly ulong Rip => Iced.IP;
}
