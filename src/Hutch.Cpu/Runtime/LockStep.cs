using System;
using System.Text;
using Hutch.Cpu.Interpreter;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Runtime;

/// <summary>
/// Checks the translator against the interpreter while a guest runs: before each block the interpreter runs the same instructions
/// ahead, its writes are taken back, the block runs, and where it comes out its state and memory must equal the interpreter's at one of its
/// steps. For one vCPU; blocks are not linked in this mode. Slow, and it allocates.
/// </summary>
internal sealed unsafe class LockStep(SoftVcpu vcpu)
{
    private const int StateBytes = VcpuContext.XsaveOffset + 832, XsaveHeader = VcpuContext.XsaveOffset + 512, MaxSteps = 64;

    private readonly byte[] _before = new byte[StateBytes];
    private readonly byte[][] _after = new byte[MaxSteps + 1][];
    private int _steps;
    private bool _armed;

    /// <summary>Blocks compared so far.</summary>
    public long Compared { get; private set; }

    /// <summary>The journal that memory accessors write to.</summary>
    public WriteJournal Journal { get; } = new();

    /// <summary>Number of the interpreter step that runs ahead.</summary>
    public int Step => _steps;

    /// <summary>Lets the interpreter run ahead over a block of some instructions that is about to be entered.</summary>
    public void RunAhead(int instructions)
    {
        Capture(_before);
        _after[0] = Copy();
        _steps = 0;
        Journal.Begin();
        _armed = true;
        while (_steps < Math.Min(instructions, MaxSteps))
        {
            if (ReadsTime()) { _armed = false; break; }
            _steps++;
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
        for (int i = 0; i <= _steps; i++)
        {
            if (BitConverter.ToUInt64(_after[i], RipOffset) != vcpu.Context->Rip) continue;
            string? difference = Differences(_after[i], now, flagsExact);
            if (difference is null && !Journal.Matches(i, out string memory)) difference = memory;
            if (difference is null) return null;
            first ??= $"after {i} instructions: {difference}";
        }
        ulong start = BitConverter.ToUInt64(_before, RipOffset);
        return $"Lock-step: the block at 0x{start:x} came out at 0x{vcpu.Context->Rip:x}; " + (first ?? $"the interpreter did not pass there in {_steps} instructions.");
    }

    private const int RipOffset = 0x80;

    private void Capture(byte[] into) => new ReadOnlySpan<byte>(vcpu.Context, StateBytes).CopyTo(into);

    private byte[] Copy() => new ReadOnlySpan<byte>(vcpu.Context, StateBytes).ToArray();

    private bool ReadsTime()
    {
        byte* code = stackalloc byte[4];
        int read = vcpu.Linear.Fetch(vcpu.Context->Rip, code, 4);
        vcpu.ClearFault();
        return read >= 3 && code[0] == 0x0f && (code[1] == 0x31 || (code[1] == 0x01 && code[2] == 0xf9) || (code[1] == 0xc7 && code[2] >= 0xf0));
    }

    private static string? Differences(byte[] expected, byte[] actual, bool flagsExact)
    {
        var text = new StringBuilder();
        fixed (byte* e = expected, a = actual)
        {
            var x = (VcpuContext*)e;
            var y = (VcpuContext*)a;
            for (int i = 0; i < 16; i++)
                if (x->Gpr[i] != y->Gpr[i]) text.Append($" r{i}: interpreter {x->Gpr[i]:x}, translator {y->Gpr[i]:x};");
            ulong mask = flagsExact ? ulong.MaxValue : ~Flags.Arithmetic;
            if ((x->Rflags & mask) != (y->Rflags & mask)) text.Append($" rflags: interpreter {x->Rflags:x}, translator {y->Rflags:x};");
            for (int i = 0; i < 8; i++)
                if (x->Segments[i].Base != y->Segments[i].Base) text.Append($" base of segment {i};");
            // x87 opcode, instruction and data pointers (bytes 6 to 23) are the host's own; the header's state bitmap may differ in form.
            for (int i = VcpuContext.XsaveOffset; i < StateBytes; i++)
            {
                int inArea = i - VcpuContext.XsaveOffset;
                if (expected[i] != actual[i] && inArea is (< 6 or >= 24) and (< 416 or >= 576)) { text.Append($" vector state byte {inArea}: {expected[i]:x2}, {actual[i]:x2};"); break; }
            }
        }
        return text.Length == 0 ? null : text.ToString();
    }
}
