using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;
using Hutch.Cpu.Interpreter;
using Hutch.Cpu.State;
using Hutch.Cpu.Tables;
using Hutch.Cpu.Translate;
using Iced.Intel;

namespace Hutch.Cpu.Runtime;

/// <summary>
/// Checks the translator against the interpreter while a guest runs: before each block the interpreter runs the same instructions
/// ahead, its writes are taken back, the block runs, and where it comes out its state and memory must equal the interpreter's at one of its
/// steps. A block's first passages are checked, and a sample of the later ones. For one vCPU; blocks are not linked in this mode. Slow, and it allocates.
/// </summary>
internal sealed unsafe class LockStep(SoftVcpu vcpu)
{
    private const int StateBytes = VcpuContext.XsaveOffset + 832, XsaveHeader = VcpuContext.XsaveOffset + 512, MaxSteps = 64;
    private const int AlwaysChecked = 16, SampleMask = 127;

    private readonly Dictionary<ulong, int> _passages = [];
    private readonly KindTable _kinds = new();
    private readonly byte[] _before = new byte[StateBytes];
    private readonly byte[][] _after = new byte[MaxSteps + 1][];
    private readonly ulong[] _undefined = new ulong[MaxSteps + 1];
    private int _steps;
    private bool _armed;

    /// <summary>Blocks compared so far.</summary>
    public long Compared { get; private set; }

    /// <summary>The journal that memory accessors write to.</summary>
    public WriteJournal Journal { get; } = new();

    /// <summary>Number of the interpreter step that runs ahead.</summary>
    public int Step => _steps;

    /// <summary>Lets the interpreter run ahead over a block of some instructions that is about to be entered, if this passage is to be checked.</summary>
    public void RunAhead(int instructions)
    {
        int passages = ++CollectionsMarshal.GetValueRefOrAddDefault(_passages, vcpu.Context->Rip, out _);
        if (passages > AlwaysChecked && (passages & SampleMask) != 0) return;
        Capture(_before);
        _after[0] = Copy();
        _steps = 0;
        Journal.Begin();
        _armed = true;
        while (_steps < Math.Min(instructions, MaxSteps))
        {
            if (ReadsTimeOrRepeats()) { _armed = false; break; }
            // A branch may lead out of the block, to what only the interpreter executes: it must be executed once (ports, MSRs).
            Instruction next = Next();
            if (IsInterpretersOwn(next)) break;
            _steps++;
            _undefined[_steps] = UndefinedAfter(_undefined[_steps - 1], next);
            if (vcpu.Interpreter.Step() != StepResult.Continue || Journal.Spoiled)
            {
                _steps--;
                break;
            }
            _after[_steps] = Copy();
        }
        Journal.RollBack();
        vcpu.ClearFault();
        _before.CopyTo(new Span<byte>(vcpu.Context, StateBytes));
        vcpu.UpdateMode();
    }

    /// <summary>Compares where a block came out. Null: equal, or nothing to compare.</summary>
    public string? Compare(bool flagsExact)
    {
        if (!_armed) return null;
        _armed = false;
        Compared++;
        byte[] now = Copy();
        string? first = null;
        // A block whose first instructions overwrite the flags may have let them go before a poll.
        for (int i = 0; i <= _steps; i++)
        {
            if (BitConverter.ToUInt64(_after[i], RipOffset) != vcpu.Context->Rip) continue;
            string? difference = Differences(_after[i], now, flagsExact && i != 0 ? _undefined[i] : Flags.Arithmetic);
            if (difference is null && !Journal.Matches(i, out string memory)) difference = memory;
            if (difference is null) return null;
            first ??= $"after {i} instructions: {difference}";
        }
        ulong start = BitConverter.ToUInt64(_before, RipOffset);
        return $"Lock-step: the block at 0x{start:x} came out at 0x{vcpu.Context->Rip:x}; code {Code(start)}; " + (first ?? $"the interpreter did not pass there in {_steps} instructions.");
    }

    private string Code(ulong rip)
    {
        byte* code = stackalloc byte[96];
        int read = vcpu.Linear.Fetch(rip, code, 96);
        vcpu.ClearFault();
        return Convert.ToHexString(new ReadOnlySpan<byte>(code, read));
    }

    private const int RipOffset = 0x80;

    private void Capture(byte[] into) => new ReadOnlySpan<byte>(vcpu.Context, StateBytes).CopyTo(into);

    private byte[] Copy() => new ReadOnlySpan<byte>(vcpu.Context, StateBytes).ToArray();

    private Instruction Next()
    {
        byte[] code = new byte[15];
        fixed (byte* bytes = code) _ = vcpu.Linear.Fetch(vcpu.Context->Rip, bytes, code.Length);
        vcpu.ClearFault();
        return Iced.Intel.Decoder.Create(64, code).Decode();
    }

    private bool IsInterpretersOwn(in Instruction next) => _kinds.Get(next) switch
    {
        TranslationKind.Interpret => true,
        TranslationKind.ByTable => InstructionTable.Get(next).Class is not (InstructionClass.PassThrough or InstructionClass.Divide),
        _ => false,
    };

    // Flags that an instruction leaves undefined; the translator may have let them go.
    private static ulong UndefinedAfter(ulong undefined, in Instruction next)
    {
        bool conditional = next.OpCount >= 2 && next.GetOpKind(next.OpCount - 1) == OpKind.Register && next.GetOpRegister(next.OpCount - 1) == Register.CL;
        RflagsBits defined = conditional ? RflagsBits.None : next.RflagsWritten | next.RflagsCleared | next.RflagsSet;
        return (undefined & ~Bits(defined)) | Bits(next.RflagsUndefined);
    }

    private static ulong Bits(RflagsBits bits) =>
        (bits.HasFlag(RflagsBits.OF) ? Flags.Of : 0) | (bits.HasFlag(RflagsBits.SF) ? Flags.Sf : 0) | (bits.HasFlag(RflagsBits.ZF) ? Flags.Zf : 0)
        | (bits.HasFlag(RflagsBits.AF) ? Flags.Af : 0) | (bits.HasFlag(RflagsBits.CF) ? Flags.Cf : 0) | (bits.HasFlag(RflagsBits.PF) ? Flags.Pf : 0);

    // Repetitions are cut into pieces of different lengths.
    private bool ReadsTimeOrRepeats()
    {
        byte* code = stackalloc byte[4];
        int read = vcpu.Linear.Fetch(vcpu.Context->Rip, code, 4);
        vcpu.ClearFault();
        if (read >= 3 && code[0] is 0xf2 or 0xf3 && (code[1] is 0x48 or 0x66 ? code[2] : code[1]) is >= 0xa4 and <= 0xaf) return true;
        if (read == 4 && (code[0] & 0xf0) == 0x40 && code[1] == 0x0f && code[2] == 0xc7 && code[3] >= 0xf0) return true;
        return read >= 3 && code[0] == 0x0f && (code[1] == 0x31 || (code[1] == 0x01 && code[2] == 0xf9) || (code[1] == 0xc7 && code[2] >= 0xf0));
    }

    private static string? Differences(byte[] expected, byte[] actual, ulong undefined)
    {
        var text = new StringBuilder();
        fixed (byte* e = expected, a = actual)
        {
            var x = (VcpuContext*)e;
            var y = (VcpuContext*)a;
            for (int i = 0; i < 16; i++)
                if (x->Gpr[i] != y->Gpr[i]) text.Append($" r{i}: interpreter {x->Gpr[i]:x}, translator {y->Gpr[i]:x};");
            ulong mask = ~undefined;
            if ((x->Rflags & mask) != (y->Rflags & mask)) text.Append($" rflags: interpreter {x->Rflags:x}, translator {y->Rflags:x};");
            for (int i = 0; i < 8; i++)
                if (x->Segments[i].Base != y->Segments[i].Base) text.Append($" base of segment {i};");
            // x87 opcode, instruction and data pointers (bytes 6 to 23) and MXCSR_MASK are the host's own; the header's state bitmap may differ in form.
            for (int i = VcpuContext.XsaveOffset; i < StateBytes; i++)
            {
                int inArea = i - VcpuContext.XsaveOffset;
                if (expected[i] != actual[i] && inArea is (< 6 or >= 24) and (< 28 or >= 32) and (< 416 or >= 576)) { text.Append($" vector state byte {inArea}: {expected[i]:x2}, {actual[i]:x2};"); break; }
            }
        }
        return text.Length == 0 ? null : text.ToString();
    }
}
