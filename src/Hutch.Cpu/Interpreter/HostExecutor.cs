using System;
using Hutch.Cpu.Interpreter.Host;
using Hutch.Cpu.State;
using Hutch.Cpu.Tables;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>
/// Executes <see cref="InstructionClass.PassThrough"/>, <see cref="InstructionClass.Divide"/> and <see cref="InstructionClass.Assisted"/> instructions of any
/// mode: checks everything that could fault, then lets the host CPU run the same operation on the state in memory. So flags and results are right by
/// construction.
/// </summary>
internal sealed unsafe class HostExecutor : IDisposable
{
    private const int BounceBytes = 256;
    private const ulong Cr4Osxmmexcpt = 1 << 10;

    private readonly SoftVcpu _vcpu;
    private readonly VcpuContext* _c;
    private readonly AddressComputer _addresses;
    private readonly HostStubs _stubs = new();
    private readonly FpuInstructions _fpu;
    private readonly XsaveInstructions _xsave;
    private readonly MaskedMoves _masked;
    private readonly LineStores _lines;

    public HostExecutor(SoftVcpu vcpu, AddressComputer addresses)
    {
        _vcpu = vcpu;
        _c = vcpu.Context;
        _addresses = addresses;
        _fpu = new FpuInstructions(vcpu, addresses);
        _xsave = new XsaveInstructions(vcpu, addresses, _fpu);
        _masked = new MaskedMoves(vcpu, addresses);
        _lines = new LineStores(vcpu, addresses);
    }

    /// <summary>
    /// Executes an instruction; the caller advances RIP. Whether x87, SSE and AVX are available (#UD, #NM, #MF) is checked here. False: a fault is pending
    /// and, except for gathers, nothing changed.
    /// </summary>
    public bool Execute(in Instruction i, ReadOnlySpan<byte> bytes) => Execute(i, bytes, InstructionTable.Get(i));

    /// <summary>As <see cref="Execute(in Instruction, ReadOnlySpan{byte})"/>, with the form already looked up.</summary>
    public bool Execute(in Instruction i, ReadOnlySpan<byte> bytes, InstructionForm form)
    {
        FormTraits traits = form.Traits;
        if ((traits & FormTraits.NoEffect) != 0) return true;
        if ((_c->Mode & (uint)BlockMode.Protected) == 0 && i.Encoding == EncodingKind.VEX) return _vcpu.Raise(Vector.InvalidOpcode);
        if ((traits & (FormTraits.Vector | FormTraits.X87)) != 0 && !FpuAvailability.Check(_vcpu, i, traits)) return false;
        if (form.Class == InstructionClass.Assisted) return Assist(i, form);
        if (i.Mnemonic == Mnemonic.Lea)
        {
            GuestRegisters.Write(_c, i.Op0Register, _addresses.Offset(i));
            return true;
        }
        if (i.Mnemonic is Mnemonic.Stmxcsr or Mnemonic.Vstmxcsr) return _fpu.StoreMxcsr(i);
        if (i.Mnemonic is Mnemonic.Vzeroall or Mnemonic.Vzeroupper) return _fpu.ZeroVectors(all: i.Mnemonic == Mnemonic.Vzeroall);
        if ((traits & FormTraits.BitString) != 0) return ExecuteBitString(i, form);
        if (form.MemorySize == 0) return form.Class == InstructionClass.Divide ? DivideByRegister(i, form) : Run(i, form, null, 0);
        AccessKind kind = (traits & FormTraits.Writes) != 0 ? AccessKind.Write : AccessKind.Read;
        if (_addresses.Effective(i, -1, form.MemorySize, kind, out ulong linear)) return RunOnMemory(i, form, linear);
        // A misaligned operand is #GP even where its address alone would be #SS.
        bool misaligned = (traits & FormTraits.Aligned) != 0 && !FpuArea.AllowsMisaligned(_c, i) && (linear & (ulong)(form.MemorySize - 1)) != 0;
        return misaligned && _vcpu.Fault.Vector == Vector.StackFault && _vcpu.Raise(Vector.GeneralProtection, 0);
    }

    private bool Assist(in Instruction i, InstructionForm form)
    {
        switch (i.Mnemonic)
        {
            case Mnemonic.Wait: return true;
            case Mnemonic.Xlatb: return TranslateByte(i);
            case Mnemonic.Ldmxcsr or Mnemonic.Vldmxcsr: return _fpu.LoadMxcsr(i);
            case Mnemonic.Fxsave or Mnemonic.Fxsave64: return _fpu.Fxsave(i);
            case Mnemonic.Fxrstor or Mnemonic.Fxrstor64: return _fpu.Fxrstor(i);
            case Mnemonic.Xsave or Mnemonic.Xsave64 or Mnemonic.Xsaveopt or Mnemonic.Xsaveopt64: return _xsave.Save(i, compact: false);
            case Mnemonic.Xsavec or Mnemonic.Xsavec64: return _xsave.Save(i, compact: true);
            case Mnemonic.Xsaves or Mnemonic.Xsaves64: return _xsave.IsPrivileged() && _xsave.Save(i, compact: true);
            case Mnemonic.Xrstor or Mnemonic.Xrstor64: return _xsave.Restore(i, compactOnly: false);
            case Mnemonic.Xrstors or Mnemonic.Xrstors64: return _xsave.IsPrivileged() && _xsave.Restore(i, compactOnly: true);
            case Mnemonic.Clzero or Mnemonic.Movdiri or Mnemonic.Movdir64b: return _lines.Execute(i);
            case Mnemonic.Fldcw or Mnemonic.Fldenv or Mnemonic.Frstor or Mnemonic.Fnstenv or Mnemonic.Fnsave: return ChangeFpuControl(i, form);
            default: return _masked.Execute(i);
        }
    }

    private bool TranslateByte(in Instruction i)
    {
        if (!_addresses.Effective(i, -1, 1, AccessKind.Read, out ulong linear) || !_vcpu.Linear.Read(linear, out byte value)) return false;
        GuestRegisters.Write(_c, Register.AL, value);
        return true;
    }

    private bool DivideByRegister(in Instruction i, InstructionForm form)
    {
        Register divisor = i.Op0Register;
        return DivideCheck.Fits(_c, i.Mnemonic == Mnemonic.Idiv, divisor.GetSize(), GuestRegisters.Read(_c, divisor))
            ? Run(i, form, null, 0) : _vcpu.Raise(Vector.DivideError);
    }

    // The operand is where the bit is, so the stub gets the form with an immediate bit number.
    private bool ExecuteBitString(in Instruction i, InstructionForm form)
    {
        int size = form.MemorySize, bits = size * 8;
        long bit = (long)(GuestRegisters.Read(_c, i.Op1Register) << (64 - bits)) >> (64 - bits);
        ulong offset = (_addresses.Offset(i) + (ulong)((bit >> (size == 2 ? 4 : size == 4 ? 5 : 6)) * size)) & AddressComputer.AddressMask(i);
        AccessKind kind = (form.Traits & FormTraits.Writes) != 0 ? AccessKind.Write : AccessKind.Read;
        if (!_addresses.Linear(AddressComputer.DataSegment(i), offset, size, kind, out ulong linear)) return false;
        Instruction immediate = i;
        immediate.Code = ImmediateForm(i.Mnemonic, size);
        immediate.Op1Kind = OpKind.Immediate8;
        immediate.Immediate8 = (byte)(bit & (bits - 1));
        return RunOnMemory(immediate, form, linear);
    }

    private static Code ImmediateForm(Mnemonic mnemonic, int size)
    {
        Code code16 = mnemonic switch
        {
            Mnemonic.Bt => Code.Bt_rm16_imm8,
            Mnemonic.Bts => Code.Bts_rm16_imm8,
            Mnemonic.Btr => Code.Btr_rm16_imm8,
            _ => Code.Btc_rm16_imm8,
        };
        return code16 + (size == 2 ? 0 : size == 4 ? 1 : 2);
    }

    private bool RunOnMemory(in Instruction i, InstructionForm form, ulong linear)
    {
        int size = form.MemorySize;
        if ((form.Traits & FormTraits.Aligned) != 0 && (linear & (ulong)(size - 1)) != 0 && !FpuArea.AllowsMisaligned(_c, i)) return _vcpu.Raise(Vector.GeneralProtection, 0);
        if (form.Class == InstructionClass.Divide) return DivideByMemory(i, form, linear);
        AccessKind kind = (form.Traits & FormTraits.Writes) != 0 ? AccessKind.Write : AccessKind.Read;
        if (!_vcpu.Linear.Pin(linear, size, kind, _vcpu.DataMode, out byte* host)) return false;
        if (host != null && !IsStrict(form)) return Run(i, form, host, linear);
        bool locked = i.HasLockPrefix || i.Mnemonic == Mnemonic.Xchg;
        if (!locked) return RunOnCopy(i, form, linear);
        // A locked operation that crosses pages or is not on RAM cannot be one host operation: one at a time in the whole machine.
        lock (_vcpu.Machine) return RunOnCopy(i, form, linear);
    }

    // SAFETY of the bounce buffer in the two methods below: no form has an operand of more than 108 bytes, plus 63 for alignment.
    private bool RunOnCopy(in Instruction i, InstructionForm form, ulong linear)
    {
        byte* space = stackalloc byte[BounceBytes];
        byte* copy = (byte*)(((ulong)space + 63) & ~63UL);
        int size = form.MemorySize;
        bool writes = (form.Traits & FormTraits.Writes) != 0;
        if (writes && !_vcpu.Linear.ProbeWrite(linear, size, _vcpu.DataMode)) return false;
        if ((form.Traits & FormTraits.Reads) != 0 && !_vcpu.Linear.Read(linear, copy, size, _vcpu.DataMode)) return false;
        ushort before = FpuArea.At<ushort>(_c, FpuArea.Fsw);
        if (!Run(i, form, copy, linear)) return false;
        if (!writes || SuppressesStore(form, before)) return true;
        return _vcpu.Linear.Write(linear, copy, size, _vcpu.DataMode);
    }

    private bool DivideByMemory(in Instruction i, InstructionForm form, ulong linear)
    {
        // Always a copy: another vCPU could change the divisor between the check and the division.
        ulong divisor = 0;
        if (!_vcpu.Linear.Read(linear, &divisor, form.MemorySize, _vcpu.DataMode)) return false;
        return DivideCheck.Fits(_c, i.Mnemonic == Mnemonic.Idiv, form.MemorySize, divisor) ? Run(i, form, (byte*)&divisor, linear) : _vcpu.Raise(Vector.DivideError);
    }

    private bool ChangeFpuControl(in Instruction i, InstructionForm form)
    {
        AccessKind kind = (form.Traits & FormTraits.Writes) != 0 ? AccessKind.Write : AccessKind.Read;
        if (!_addresses.Effective(i, -1, form.MemorySize, kind, out ulong linear)) return false;
        byte* space = stackalloc byte[BounceBytes];
        byte* copy = (byte*)(((ulong)space + 63) & ~63UL);
        if (kind == AccessKind.Write && !_vcpu.Linear.ProbeWrite(linear, form.MemorySize, _vcpu.DataMode)) return false;
        if (kind == AccessKind.Read && !_vcpu.Linear.Read(linear, copy, form.MemorySize, _vcpu.DataMode)) return false;
        FpuArea.DropStalePointers(_c);
        if (kind == AccessKind.Write) _fpu.RememberPointers();
        if (!RunStub(i, form, copy)) return false;
        if (kind == AccessKind.Write)
        {
            _fpu.FillPointers(copy, form.MemorySize);
            if (!_vcpu.Linear.Write(linear, copy, form.MemorySize, _vcpu.DataMode)) return false;
        }
        FpuArea.SetPointers(_c, 0, 0, 0);
        _vcpu.UpdateMode();
        return true;
    }

    private bool IsStrict(InstructionForm form) =>
        (form.Traits & FormTraits.FpArithmetic) != 0 && (_c->Mode & (uint)BlockMode.StrictFp) != 0;

    private bool Run(in Instruction i, InstructionForm form, byte* operand, ulong linear)
    {
        if (IsStrict(form) && (form.Traits & FormTraits.Vector) != 0) return RunStrict(i, form, operand);
        if (!RunStub(i, form, operand)) return false;
        if ((form.Traits & FormTraits.X87) == 0) return true;
        FpuArea.SetPointers(_c, 0, _c->Rip, linear);
        if (i.Mnemonic is Mnemonic.Fninit or Mnemonic.Fnclex) _vcpu.UpdateMode();
        return true;
    }

    private bool RunStub(in Instruction i, InstructionForm form, byte* operand)
    {
        var stub = _stubs.Get(i, form.Traits);
        if (stub == null) return _vcpu.Raise(Vector.InvalidOpcode);
        // SAFETY: the form cannot fault on the host with a good operand, which the callers provide; a stub preserves all that its caller may rely on.
        stub(_c, operand);
        return true;
    }

    /// <summary>
    /// SIMD arithmetic with an unmasked exception: run masked, and undone with #XM when it set the flag of an unmasked one (Intel SDM 1 §11.5.3).
    /// </summary>
    private bool RunStrict(in Instruction i, InstructionForm form, byte* operand)
    {
        const uint FlagBits = 0x3f, MaskBits = 0x1f80, FlushToZero = 0x8000, Underflow = 0x10, BeforeComputation = 7;
        byte* saved = stackalloc byte[FpuArea.Bytes];
        ulong* registers = stackalloc ulong[17];
        SaveState(saved, registers);
        ref uint mxcsr = ref FpuArea.At<uint>(_c, FpuArea.Mxcsr);
        uint guest = mxcsr, enabled = ~(guest >> 7) & FlagBits, raised = 0;
        if ((enabled & Underflow) != 0)
        {
            // A tiny result that is exact sets the flag only if underflow is unmasked, or if tiny results are flushed: ask the host that way first.
            mxcsr = ((guest | MaskBits) & ~FlagBits) | FlushToZero;
            if (!RunStub(i, form, operand)) return false;
            raised = mxcsr & Underflow;
            RestoreState(saved, registers);
        }
        // Flushing applies to masked underflow only.
        mxcsr = (guest | MaskBits) & ~FlagBits & ~((enabled & Underflow) != 0 ? FlushToZero : 0);
        if (!RunStub(i, form, operand)) return false;
        raised |= mxcsr & FlagBits;
        uint unmasked = raised & enabled;
        if (unmasked == 0)
        {
            mxcsr = guest | raised;
            return true;
        }
        RestoreState(saved, registers);
        // An unmasked invalid, denormal or division by zero is found before there is a result, which alone could overflow or be inexact.
        if ((unmasked & BeforeComputation) != 0) raised &= BeforeComputation;
        mxcsr = guest | raised;
        return _vcpu.Raise((_c->Cr4 & Cr4Osxmmexcpt) != 0 ? Vector.SimdFault : Vector.InvalidOpcode);
    }

    // SAFETY: the callers' buffers are as long as the area and the 16 registers with the flags.
    private void SaveState(byte* area, ulong* registers)
    {
        Buffer.MemoryCopy(_c->Xsave, area, FpuArea.Bytes, FpuArea.Bytes);
        Buffer.MemoryCopy(_c->Gpr, registers, 128, 128);
        registers[16] = _c->ArithmeticFlags;
    }

    private void RestoreState(byte* area, ulong* registers)
    {
        Buffer.MemoryCopy(area, _c->Xsave, FpuArea.Bytes, FpuArea.Bytes);
        Buffer.MemoryCopy(registers, _c->Gpr, 128, 128);
        _c->ArithmeticFlags = registers[16];
    }

    // An x87 store whose unmasked exception keeps it from storing: everything but precision (Intel SDM 1 §8.5).
    private bool SuppressesStore(InstructionForm form, ushort statusBefore)
    {
        const int Precision = 0x20;
        if ((form.Traits & (FormTraits.X87 | FormTraits.Vector)) != FormTraits.X87 || !IsStrict(form)) return false;
        int fresh = FpuArea.At<ushort>(_c, FpuArea.Fsw) & ~statusBefore & ~FpuArea.At<ushort>(_c, FpuArea.Fcw) & 0x3f;
        return (fresh & ~Precision) != 0;
    }

    /// <inheritdoc/>
    public void Dispose() => _stubs.Dispose();
}
