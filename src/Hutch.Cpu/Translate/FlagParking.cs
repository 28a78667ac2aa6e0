namespace Hutch.Cpu.Translate;

/// <summary>
/// Whether the guest's arithmetic flags are in the host's flags or, because a check was about to destroy them, in FlagSave. They stay parked
/// until something needs them, so that a run of memory accesses parks them once.
/// </summary>
internal sealed class FlagParking(CodeWriter code)
{
    /// <summary>The live flags are in FlagSave.</summary>
    public bool Parked { get; set; }

    /// <summary>Code that destroys the host's flags follows. <paramref name="live"/>: flags needed from here on. Uses R10.</summary>
    public void BeforeCheck(byte live)
    {
        if (Parked || live == 0) return;
        code.ParkFlags();
        Parked = true;
    }

    /// <summary>The instruction's own operation follows. May use R10: an operand that needs it moves to R11 alone.</summary>
    public void BeforeOperation(in GuestInstruction instruction, ref HostOperand operand)
    {
        if (!Parked) return;
        if (!NeedsHostFlags(instruction))
        {
            if (instruction.FlagsChanged != 0) Parked = false;
            return;
        }
        if (operand.Uses(HostState.R10))
        {
            code.Lea(HostState.R11, operand);
            operand = new HostOperand(HostState.R11);
        }
        code.RestoreFlags();
        Parked = false;
    }

    /// <summary>Puts the flags back where a successor expects them. Uses R10.</summary>
    public void BeforeExit()
    {
        if (!Parked) return;
        code.RestoreFlags();
        Parked = false;
    }

    /// <summary>Puts the flags where an indirect entry expects them: in FlagSave. Uses R10.</summary>
    public void BeforeIndirectExit()
    {
        if (!Parked) code.ParkFlags();
        Parked = false;
    }

    private static bool NeedsHostFlags(in GuestInstruction instruction) =>
        instruction.FlagsRead != 0 || (instruction.FlagsChanged != 0 && (instruction.LiveOut & ~instruction.FlagsKilled) != 0);
}
