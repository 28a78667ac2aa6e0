using System;
using Hutch.Core.Engine;
using Hutch.Cpu.Interpreter.Host;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Interpreter;

/// <summary>The state of a processor after reset (Intel SDM 3A table 9-1).</summary>
internal static unsafe class ResetState
{
    private const uint CodeAttributes = 0x9b, DataAttributes = 0x93, LdtAttributes = 0x82, TssAttributes = 0x8b;
    private const ulong CacheBits = 0x6000_0000;

    /// <summary>Hardware reset of everything that the interpreter owns; MSRs, the TSC and the APIC have their own.</summary>
    public static void Apply(SoftVcpu vcpu)
    {
        vcpu.Context->Xcr0 = 1;
        vcpu.Context->Cr0 = 0x6000_0010;
        ResetVectors(vcpu.Context->Xsave);
        vcpu.ProtectionKeys.Write(0);
        Initialise(vcpu);
    }

    /// <summary>INIT: as a reset, but x87, SSE and AVX state, XCR0 and the cache bits of CR0 stay (Intel SDM 3A §9.1.1).</summary>
    public static void Initialise(SoftVcpu vcpu)
    {
        VcpuContext* c = vcpu.Context;
        for (int n = 0; n < 16; n++) c->Gpr[n] = 0;
        vcpu.Cpuid.Query(1, 0, out uint signature, out _, out _, out _);
        c->Gpr[GuestRegisters.Rdx] = signature;
        c->Rip = 0xfff0;
        c->Rflags = 2;
        for (int n = 0; n < 6; n++) c->Segments[n] = new SegmentState { Limit = 0xffff, Attributes = DataAttributes };
        c->Segments[(int)Seg.Cs] = new SegmentState { Selector = 0xf000, Base = 0xffff_0000, Limit = 0xffff, Attributes = CodeAttributes };
        c->Segments[(int)Seg.Ldtr] = new SegmentState { Limit = 0xffff, Attributes = LdtAttributes };
        c->Segments[(int)Seg.Tr] = new SegmentState { Limit = 0xffff, Attributes = TssAttributes };
        c->Gdtr = c->Idtr = new TableState { Limit = 0xffff };
        c->Cr0 = (c->Cr0 & CacheBits) | 0x10;
        c->Cr2 = c->Cr3 = c->Cr4 = c->Efer = 0;
        for (int n = 0; n < 6; n++) c->Dr[n] = 0;
        c->Dr[6] = 0xffff_0ff0;
        c->Dr[7] = 0x400;
        c->Cpl = c->InterruptShadow = c->NmiBlocked = c->VectorLoaded = c->MaskedInterrupt = 0;
        vcpu.ClearFault();
        vcpu.Contexts.Select(0, keep: false);
        vcpu.Contexts.FlushAll();
        vcpu.UpdateMode();
    }

    private static void ResetVectors(byte* area)
    {
        // SAFETY: the vCPU's XSAVE area is 832 bytes long.
        new Span<byte>(area, 832).Clear();
        *(ushort*)area = 0x40;
        *(uint*)(area + 24) = 0x1f80;
        *(uint*)(area + 28) = 0xffff;
        *(ulong*)(area + 512) = FpuArea.Components;
    }
}
