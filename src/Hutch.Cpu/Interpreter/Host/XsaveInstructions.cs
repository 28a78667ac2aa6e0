using System;
using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter.Host;

/// <summary>
/// XSAVE, XSAVEOPT, XSAVEC, XSAVES and their opposites on the XSAVE area of the context (Intel SDM 1 §13.7-13.10). Components: x87, SSE, AVX and PKRU, which is last
/// in both formats. False: a fault is pending and nothing changed.
/// </summary>
internal sealed unsafe class XsaveInstructions(SoftVcpu vcpu, AddressComputer addresses, FpuInstructions fpu)
{
    private const ulong Cr0Ts = 8, Cr4Osxsave = 1 << 18;
    private const ulong X87 = 1, Sse = 2, Avx = 4, Pkru = 1UL << FpuArea.PkruComponent, Compact = 1UL << 63;
    private const int Alignment = 64;

    private readonly VcpuContext* _c = vcpu.Context;

    /// <summary>XSAVES and XRSTORS are the kernel's. IA32_XSS has no bits here, so that they save and load what XSAVEC and XRSTOR do.</summary>
    public bool IsPrivileged()
    {
        if ((_c->Cr4 & Cr4Osxsave) == 0) return vcpu.Raise(Vector.InvalidOpcode);
        return _c->Cpl == 0 || vcpu.Raise(Vector.GeneralProtection, 0);
    }

    /// <summary>XSAVE, XSAVEOPT and, compact, XSAVEC.</summary>
    public bool Save(in Instruction i, bool compact)
    {
        if (!Available()) return false;
        ulong requested = Requested();
        int keys = compact ? KeysInCompact(requested) : FpuArea.Pkru;
        int size = (requested & Pkru) != 0 ? keys + FpuArea.PkruBytes : (requested & Avx) != 0 ? FpuArea.Bytes : FpuArea.YmmHigh;
        if (!Locate(i, size, AccessKind.Write, out ulong linear)) return false;
        if (!vcpu.Linear.ProbeWrite(linear, size, vcpu.DataMode) || !vcpu.Linear.Read(linear + FpuArea.Header, out ulong stateBits)) return false;
        fpu.PrepareToShow();
        ulong used = FpuArea.At<ulong>(_c, FpuArea.Header) & 7;
        if (FpuArea.At<uint>(_c, FpuArea.Mxcsr) != FpuArea.InitialMxcsr) used |= Sse;
        if (vcpu.ProtectionKeys.Pkru != 0) used |= Pkru;
        bool optimised = compact || i.Mnemonic is Mnemonic.Xsaveopt or Mnemonic.Xsaveopt64;
        ulong written = optimised ? requested & used : requested;
        ulong mxcsr = compact ? written & Sse : requested & (Sse | Avx);
        bool done = ((written & X87) == 0 || (Put(linear, 0, FpuArea.Mxcsr) && Put(linear, FpuArea.Stack, FpuArea.Xmm - FpuArea.Stack)))
            && (mxcsr == 0 || Put(linear, FpuArea.Mxcsr, 8))
            && ((written & Sse) == 0 || Put(linear, FpuArea.Xmm, VectorBytes))
            && ((written & Avx) == 0 || Put(linear, FpuArea.YmmHigh, VectorBytes))
            && ((written & Pkru) == 0 || vcpu.Linear.Write(linear + (ulong)keys, (ulong)vcpu.ProtectionKeys.Pkru));
        ulong bits = compact ? requested & used : (stateBits & ~requested) | (requested & used);
        return done && vcpu.Linear.Write(linear + FpuArea.Header, bits) && (!compact || vcpu.Linear.Write(linear + FpuArea.Header + 8, requested | Compact));
    }

    /// <summary>XRSTOR, both formats, and XRSTORS, which takes the compact one only.</summary>
    public bool Restore(in Instruction i, bool compactOnly)
    {
        if (!Available()) return false;
        ulong requested = Requested();
        byte* image = stackalloc byte[FpuArea.Bytes];
        if (!Locate(i, FpuArea.YmmHigh, AccessKind.Read, out ulong linear)) return false;
        if (!vcpu.Linear.Read(linear, image, FpuArea.YmmHigh, vcpu.DataMode)) return false;
        bool compact = (*(ulong*)(image + FpuArea.Header + 8) & Compact) != 0;
        if (!HeaderIsValid(image, compact) || (compactOnly && !compact)) return vcpu.Raise(Vector.GeneralProtection, 0);
        ulong load = requested & *(ulong*)(image + FpuArea.Header);
        if ((load & Avx) != 0 && !vcpu.Linear.Read(linear + FpuArea.YmmHigh, image + FpuArea.YmmHigh, FpuArea.Bytes - FpuArea.YmmHigh, vcpu.DataMode)) return false;
        uint keys = 0;
        int place = compact ? KeysInCompact(*(ulong*)(image + FpuArea.Header + 8)) : FpuArea.Pkru;
        if ((load & Pkru) != 0 && !vcpu.Linear.Read(linear + (ulong)place, out keys)) return false;
        bool loadsMxcsr = (compact ? load & Sse : requested & (Sse | Avx)) != 0;
        if (loadsMxcsr && (*(uint*)(image + FpuArea.Mxcsr) & ~vcpu.MxcsrWritable) != 0) return vcpu.Raise(Vector.GeneralProtection, 0);
        if (loadsMxcsr) FpuArea.At<uint>(_c, FpuArea.Mxcsr) = *(uint*)(image + FpuArea.Mxcsr);
        else if (compact && (requested & Sse) != 0) FpuArea.At<uint>(_c, FpuArea.Mxcsr) = FpuArea.InitialMxcsr;
        LoadComponents(image, requested, load);
        if ((requested & Pkru) != 0) vcpu.ProtectionKeys.Write(keys);
        vcpu.UpdateMode();
        return true;
    }

    // In the compact format a component that is left out takes no room.
    private static int KeysInCompact(ulong components) => (components & Avx) != 0 ? FpuArea.Pkru : FpuArea.YmmHigh;

    // Outside 64-bit mode registers 8 to 15 are not touched.
    private int VectorBytes => (_c->Mode & (uint)BlockMode.Long64) != 0 ? 256 : 128;

    private ulong Requested() => _c->Xcr0 & ((uint)_c->Gpr[GuestRegisters.Rax] | _c->Gpr[GuestRegisters.Rdx] << 32);

    private bool Available()
    {
        if ((_c->Cr4 & Cr4Osxsave) == 0) return vcpu.Raise(Vector.InvalidOpcode);
        return (_c->Cr0 & Cr0Ts) == 0 || vcpu.Raise(Vector.DeviceNotAvailable);
    }

    private bool Locate(in Instruction i, int size, AccessKind kind, out ulong linear)
    {
        if (!addresses.Effective(i, -1, size, kind, out linear)) return false;
        return (linear & (Alignment - 1)) == 0 || vcpu.Raise(Vector.GeneralProtection, 0);
    }

    private bool Put(ulong linear, int offset, int size) => vcpu.Linear.Write(linear + (ulong)offset, _c->Xsave + offset, size, vcpu.DataMode);

    private bool HeaderIsValid(byte* image, bool compact)
    {
        ulong present = *(ulong*)(image + FpuArea.Header), format = *(ulong*)(image + FpuArea.Header + 8);
        if (!compact) return (present & ~_c->Xcr0) == 0 && format == 0 && *(ulong*)(image + FpuArea.Header + 16) == 0;
        return (format & ~(_c->Xcr0 | Compact)) == 0 && (present & ~format) == 0
            && new ReadOnlySpan<byte>(image + FpuArea.Header + 16, 48).IndexOfAnyExcept((byte)0) < 0;
    }

    // SAFETY: both sides are FpuArea.Bytes long.
    private void LoadComponents(byte* image, ulong requested, ulong load)
    {
        if ((load & X87) != 0)
        {
            Copy(image, 0, FpuArea.Mxcsr);
            Copy(image, FpuArea.Stack, FpuArea.Xmm - FpuArea.Stack);
            FpuArea.NormaliseX87(_c);
        }
        else if ((requested & X87) != 0) FpuArea.InitialiseX87(_c);
        if ((load & Sse) != 0) Copy(image, FpuArea.Xmm, VectorBytes);
        else if ((requested & Sse) != 0) new Span<byte>(_c->Xsave + FpuArea.Xmm, VectorBytes).Clear();
        if ((load & Avx) != 0) Copy(image, FpuArea.YmmHigh, VectorBytes);
        else if ((requested & Avx) != 0) new Span<byte>(_c->Xsave + FpuArea.YmmHigh, VectorBytes).Clear();
        // A component that was initialised is not in use, which XSAVEOPT and XSAVEC tell the guest.
        ref ulong used = ref FpuArea.At<ulong>(_c, FpuArea.Header);
        used = (used & ~requested & FpuArea.Components) | (load & FpuArea.Components);
    }

    private void Copy(byte* image, int offset, int size) => Buffer.MemoryCopy(image + offset, _c->Xsave + offset, size, size);
}
