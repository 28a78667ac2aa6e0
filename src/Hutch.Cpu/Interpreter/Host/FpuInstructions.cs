using System;
using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter.Host;

/// <summary>
/// MXCSR, FXSAVE and their opposites, on the XSAVE area of the context (Intel SDM 1 §10.5). False: a fault is pending and nothing changed.
/// </summary>
internal sealed unsafe class FpuInstructions(SoftVcpu vcpu, AddressComputer addresses)
{
    private const int FxsaveBytes = 416, FxsaveBytesLegacyModes = 288, FxsaveBytesFast = 160;
    private const ulong EferFfxsr = 1 << 14;

    private readonly VcpuContext* _c = vcpu.Context;
    private ulong _instructionPointer, _dataPointer;
    private ushort _opcode;

    /// <summary>LDMXCSR: #GP for bits that do not exist.</summary>
    public bool LoadMxcsr(in Instruction i)
    {
        if (!addresses.Effective(i, -1, sizeof(uint), AccessKind.Read, out ulong linear) || !vcpu.Linear.Read(linear, out uint value)) return false;
        if ((value & ~vcpu.MxcsrWritable) != 0) return vcpu.Raise(Vector.GeneralProtection, 0);
        FpuArea.At<uint>(_c, FpuArea.Mxcsr) = value;
        vcpu.UpdateMode();
        return true;
    }

    /// <summary>STMXCSR.</summary>
    public bool StoreMxcsr(in Instruction i) =>
        addresses.Effective(i, -1, sizeof(uint), AccessKind.Write, out ulong linear) && vcpu.Linear.Write(linear, FpuArea.At<uint>(_c, FpuArea.Mxcsr));

    /// <summary>VZEROALL and VZEROUPPER: outside 64-bit mode, of registers 0 to 7 only.</summary>
    public bool ZeroVectors(bool all)
    {
        int bytes = (Is64 ? 16 : 8) * 16;
        new Span<byte>(FpuArea.YmmUpper(_c, 0), bytes).Clear();
        if (all) new Span<byte>(FpuArea.XmmRegister(_c, 0), bytes).Clear();
        return true;
    }

    /// <summary>FXSAVE.</summary>
    public bool Fxsave(in Instruction i)
    {
        if (!Locate(i, FpuArea.LegacyBytes, 16, AccessKind.Write, out ulong linear)) return false;
        if (!vcpu.Linear.ProbeWrite(linear, FpuArea.LegacyBytes, vcpu.DataMode)) return false;
        PrepareToShow();
        return vcpu.Linear.Write(linear, _c->Xsave, FxsaveLength, vcpu.DataMode);
    }

    /// <summary>FXRSTOR.</summary>
    public bool Fxrstor(in Instruction i)
    {
        byte* image = stackalloc byte[FpuArea.LegacyBytes];
        if (!Locate(i, FpuArea.LegacyBytes, 16, AccessKind.Read, out ulong linear)) return false;
        if (!vcpu.Linear.Read(linear, image, FpuArea.LegacyBytes, vcpu.DataMode)) return false;
        if ((*(uint*)(image + FpuArea.Mxcsr) & ~vcpu.MxcsrWritable) != 0) return vcpu.Raise(Vector.GeneralProtection, 0);
        // SAFETY: at most FxsaveBytes of a 512-byte image to the 832-byte area.
        Buffer.MemoryCopy(image, _c->Xsave, FpuArea.Bytes, FxsaveLength);
        FpuArea.NormaliseX87(_c);
        FpuArea.MarkUsed(_c);
        vcpu.UpdateMode();
        return true;
    }

    /// <summary>Notes the last instruction and data pointers before the host's FNSTENV or FNSAVE replaces them.</summary>
    public void RememberPointers()
    {
        _instructionPointer = FpuArea.At<ulong>(_c, FpuArea.Fip);
        _dataPointer = FpuArea.At<ulong>(_c, FpuArea.Fdp);
        _opcode = FpuArea.At<ushort>(_c, FpuArea.Fop);
    }

    /// <summary>Writes the noted pointers into an environment image of 14 or 94 (16-bit), 28 or 108 (32-bit) bytes (Intel SDM 1 §8.1.10). Selectors are 0.</summary>
    public void FillPointers(byte* image, int size)
    {
        if (size is 14 or 94)
        {
            *(ushort*)(image + 6) = (ushort)_instructionPointer;
            *(ushort*)(image + 8) = 0;
            *(ushort*)(image + 10) = (ushort)_dataPointer;
            *(ushort*)(image + 12) = 0;
            return;
        }
        *(uint*)(image + 12) = (uint)_instructionPointer;
        *(uint*)(image + 16) = (uint)(_opcode & 0x7ff) << 16;
        *(uint*)(image + 20) = (uint)_dataPointer;
        *(uint*)(image + 24) = 0xffff_0000;
    }

    private bool Is64 => (_c->Mode & (uint)BlockMode.Long64) != 0;

    // Fast FXSAVE leaves the vector registers out in the 64-bit kernel (AMD APM 2 §3.1.7).
    private int FxsaveLength => !Is64 ? FxsaveBytesLegacyModes : (_c->Efer & EferFfxsr) != 0 && _c->Cpl == 0 ? FxsaveBytesFast : FxsaveBytes;

    /// <summary>Prepares the area for being copied to where the guest can read it.</summary>
    public void PrepareToShow()
    {
        FpuArea.DropStalePointers(_c);
        // The host's mask may offer more than guests get.
        FpuArea.At<uint>(_c, FpuArea.MxcsrMask) = vcpu.MxcsrWritable;
    }

    private bool Locate(in Instruction i, int size, int alignment, AccessKind kind, out ulong linear)
    {
        if (!addresses.Effective(i, -1, size, kind, out linear)) return false;
        return (linear & (ulong)(alignment - 1)) == 0 || vcpu.Raise(Vector.GeneralProtection, 0);
    }
}
