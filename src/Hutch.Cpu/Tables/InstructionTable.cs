using System;
using Iced.Intel;

namespace Hutch.Cpu.Tables;

/// <summary>
/// The one classification of instruction forms that interpreter and translator share. A form is a <see cref="Code"/>, with or without a memory operand.
/// Rows are computed when first asked for (see <see cref="FormClassifier"/>) and are the same whoever computes them, so threads need no lock.
/// </summary>
internal static class InstructionTable
{
    private const int Known = 1 << 31;

    // Known | Class << 24 | MemorySize << 16 | Traits; two rows for each Code: register form, memory form. Written whole, so a race writes the same value twice.
    private static readonly int[] Rows = new int[2 * Enum.GetValues<Code>().Length];

    /// <summary>The form of a decoded instruction. No allocation but the first time a form is seen.</summary>
    public static InstructionForm Get(in Instruction instruction)
    {
        int index = 2 * (int)instruction.Code + (HasMemoryOperand(instruction) ? 1 : 0);
        int row = Rows[index];
        if (row == 0) Rows[index] = row = Pack(FormClassifier.Classify(instruction));
        return new InstructionForm((InstructionClass)(row >> 24 & 0x7f), (FormTraits)(ushort)row, (byte)(row >> 16));
    }

    /// <summary>Whether some operand is an explicit memory operand (ModRM or an offset in the instruction).</summary>
    public static bool HasMemoryOperand(in Instruction instruction) => MemoryOperandIndex(instruction) >= 0;

    /// <summary>Which operand is the explicit memory operand, or -1.</summary>
    public static int MemoryOperandIndex(in Instruction instruction)
    {
        if (instruction.Op0Kind == OpKind.Memory) return 0;
        int count = instruction.OpCount;
        if (count < 2) return -1;
        if (instruction.Op1Kind == OpKind.Memory) return 1;
        return count > 2 && instruction.Op2Kind == OpKind.Memory ? 2 : -1;
    }

    private static int Pack(InstructionForm form) =>
        Known | (int)form.Class << 24 | form.MemorySize << 16 | (ushort)form.Traits;
}
