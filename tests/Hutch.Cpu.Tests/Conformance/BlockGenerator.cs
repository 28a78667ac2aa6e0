using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using Hutch.Cpu.Tables;
using Iced.Intel;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>
/// Random blocks of several instructions: what one leaves in registers and flags the next uses. An instruction that reads flags which the manuals call
/// undefined at its place is left out.
/// </summary>
internal sealed class BlockGenerator
{
    private const int Rsp = 4;
    private const int MaxInstructions = 9;

    private readonly TestRandom _random;
    private readonly InstructionGenerator _instructions;
    private readonly ImmutableArray<Code> _any, _flags, _ends;

    public BlockGenerator(TestRandom random)
    {
        _random = random;
        _instructions = new InstructionGenerator(random);
        var any = new List<Code>();
        var flags = new List<Code>();
        var ends = new List<Code>();
        foreach (Code code in FormCatalog.Sort().Covered)
        {
            Instruction i = default;
            i.Code = code;
            if (code.FlowControl() is FlowControl.ConditionalBranch or FlowControl.UnconditionalBranch) ends.Add(code);
            if (code.FlowControl() != FlowControl.Next || i.IsStringInstruction || UsesVectorIndex(code) || !Suits(i.Mnemonic)) continue;
            any.Add(code);
            if (i.RflagsRead != 0 || i.Mnemonic is Mnemonic.Mov or Mnemonic.Lea or Mnemonic.Inc or Mnemonic.Dec or Mnemonic.Shlx or Mnemonic.Not or Mnemonic.Push or Mnemonic.Pop) flags.Add(code);
        }
        (_any, _flags, _ends) = ([.. any], [.. flags], [.. ends]);
    }

    /// <summary>Fills a vector with a block.</summary>
    public void Generate(TestVector vector)
    {
        vector.Name = "block";
        vector.Rip = OracleLayout.Code + 0x400 + (ulong)_random.Below(0x400);
        vector.Code.AsSpan().Fill(0xcc);
        vector.Length = vector.Instructions = vector.PatchLength = 0;
        vector.ImageAddress = 0;
        StateGenerator.Fill(_random, vector, strict: _random.Chance(5));
        vector.Flags &= ~0x4_0400UL;
        Span<int> pointers = [3, 12, Rsp, 10];
        foreach (int pointer in pointers) vector.Gpr[pointer] = OracleLayout.Data + 0x800 + (ulong)(_random.Below(0x100) * 8);
        RflagsBits undefined = 0;
        int count = 2 + _random.Below(MaxInstructions - 2);
        for (int n = 0; n < count; n++) Append(vector, pointers, ref undefined);
        if (_random.Chance(30)) AppendBranch(vector, pointers, undefined);
        vector.UndefinedFlags = Undefined.Bits(undefined);
    }

    private void Append(TestVector vector, ReadOnlySpan<int> pointers, ref RflagsBits undefined)
    {
        ImmutableArray<Code> pool = _random.Chance(60) ? _flags : _any;
        Code code = pool[_random.Below(pool.Length)];
        (int length, int instructions) = (vector.Length, vector.Instructions);
        Instruction i = _instructions.Append(code, vector, pointers);
        if (i.IsInvalid) return;
        if ((i.RflagsRead & undefined) != 0 || IsUnruly(i, pointers))
        {
            // Taken back.
            vector.Code.AsSpan(length).Fill(0xcc);
            (vector.Length, vector.Instructions) = (length, instructions);
            return;
        }
        // A count of zero leaves the flags as they are.
        bool conditional = i.Mnemonic is Mnemonic.Shl or Mnemonic.Shr or Mnemonic.Sal or Mnemonic.Sar or Mnemonic.Rol or Mnemonic.Ror or Mnemonic.Rcl or Mnemonic.Rcr
            or Mnemonic.Shld or Mnemonic.Shrd;
        if (!conditional) undefined &= ~(i.RflagsWritten | i.RflagsCleared | i.RflagsSet);
        undefined |= i.RflagsUndefined;
        if (i.Mnemonic is Mnemonic.Rcl or Mnemonic.Rcr) undefined |= RflagsBits.OF;
    }

    private void AppendBranch(TestVector vector, ReadOnlySpan<int> pointers, RflagsBits undefined)
    {
        Code code = _ends[_random.Below(_ends.Length)];
        (int length, int instructions) = (vector.Length, vector.Instructions);
        Instruction i = _instructions.Append(code, vector, pointers);
        bool backwards = i.NearBranchTarget < vector.Rip + (ulong)vector.Length && i.NearBranchTarget >= vector.Rip;
        if (!i.IsInvalid && !backwards && (i.RflagsRead & undefined) == 0) return;
        vector.Code.AsSpan(length).Fill(0xcc);
        (vector.Length, vector.Instructions) = (length, instructions);
    }

    // Most blocks keep their pointers, or nothing but faults would be tested.
    private bool IsUnruly(in Instruction i, ReadOnlySpan<int> pointers)
    {
        // A bit string's offset could lead anywhere, also to memory that only the oracle has.
        if ((InstructionTable.Get(i).Traits & FormTraits.BitString) != 0) return true;
        if (i.OpCount == 0 || i.Op0Kind != OpKind.Register || !i.Op0Register.IsGPR() || _random.Chance(5)) return false;
        return pointers.Contains(i.Op0Register.GetFullRegister() - Register.RAX);
    }

    private static bool UsesVectorIndex(Code code)
    {
        OpCodeInfo info = code.ToOpCode();
        return info.OpCount > 1 && info.GetOpKind(1) is >= OpCodeOperandKind.mem_vsib32x and <= OpCodeOperandKind.mem_vsib64z;
    }

    private static bool Suits(Mnemonic mnemonic) => mnemonic is not (Mnemonic.Fxsave or Mnemonic.Fxsave64 or Mnemonic.Fxrstor or Mnemonic.Fxrstor64
        or Mnemonic.Fnsave or Mnemonic.Frstor or Mnemonic.Fldenv or Mnemonic.Fnstenv or Mnemonic.Fldcw or Mnemonic.Ldmxcsr or Mnemonic.Vldmxcsr
        or Mnemonic.Maskmovq or Mnemonic.Maskmovdqu or Mnemonic.Vmaskmovdqu or Mnemonic.Popf or Mnemonic.Popfq or Mnemonic.Pushf or Mnemonic.Pushfq
        or Mnemonic.Enter or Mnemonic.Leave or Mnemonic.Wait or Mnemonic.Std or Mnemonic.Rdfsbase or Mnemonic.Rdgsbase or Mnemonic.Wrfsbase or Mnemonic.Wrgsbase);
}
