using System;
using Iced.Intel;

namespace Hutch.Cpu.Translate;

/// <summary>Which arithmetic flags are needed where, by a backward pass over the block. At every exit all are.</summary>
internal static class FlagLiveness
{
    /// <summary>All arithmetic flags, as Iced numbers them.</summary>
    public const byte All = (byte)(RflagsBits.OF | RflagsBits.SF | RflagsBits.ZF | RflagsBits.AF | RflagsBits.CF | RflagsBits.PF);

    /// <summary>Fills in what one instruction does to flags.</summary>
    public static void Describe(ref GuestInstruction instruction)
    {
        switch (instruction.Kind)
        {
            case TranslationKind.PassThrough:
            case TranslationKind.Divide:
            case TranslationKind.BitString:
                instruction.FlagsRead = (byte)((int)instruction.Iced.RflagsRead & All);
                instruction.FlagsChanged = (byte)((int)instruction.Iced.RflagsModified & All);
                instruction.FlagsKilled = (instruction.Roles & GprRoles.CountInCl) != 0 ? (byte)0 : instruction.FlagsChanged;
                break;
            case TranslationKind.Interpret:
            case TranslationKind.PushFlags:
            case TranslationKind.Call:
            case TranslationKind.CallIndirect:
            case TranslationKind.Return:
            case TranslationKind.Jump:
            case TranslationKind.JumpIndirect:
            case TranslationKind.JumpIf:
            case TranslationKind.Loop:
            case TranslationKind.LoopEqual:
            case TranslationKind.LoopNotEqual:
            case TranslationKind.JumpIfRcxZero:
            case TranslationKind.Pause:
                instruction.FlagsRead = All;
                instruction.FlagsChanged = instruction.FlagsKilled = 0;
                break;
            default:
                instruction.FlagsRead = instruction.FlagsChanged = instruction.FlagsKilled = 0;
                break;
        }
    }

    /// <summary>The backward pass.</summary>
    public static void Solve(Span<GuestInstruction> block)
    {
        byte live = All;
        for (int i = block.Length - 1; i >= 0; i--)
        {
            ref GuestInstruction instruction = ref block[i];
            instruction.LiveOut = live;
            live = (byte)((live & ~instruction.FlagsKilled) | instruction.FlagsRead);
            instruction.LiveIn = live;
        }
    }
}
