using System;
using Hutch.Core.Engine;
using Hutch.Cpu.Apic;
using Hutch.Cpu.Interpreter;
using Hutch.Cpu.Interpreter.Host;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Runtime;

/// <summary>Copies the architectural state between a stopped vCPU and the engine-neutral record.</summary>
internal static unsafe class StateTransfer
{
    private const int XsaveBytes = 832;

    // XSTATE_BV bit 9, in its second byte.
    private const byte PkruInUse = 1 << (FpuArea.PkruComponent - 8);

    public static void Save(SoftVcpu vcpu, X86VcpuState state)
    {
        vcpu.RunLoop.TakeStartUp();
        VcpuContext* c = vcpu.Context;
        for (int i = 0; i < 16; i++) state.Gpr[i] = c->Gpr[i];
        state.Rip = c->Rip;
        state.Rflags = c->Rflags;
        for (int i = 0; i < 8; i++)
        {
            state.Segments[i] = c->Segments[i];
            state.DebugRegisters[i] = c->Dr[i];
        }
        state.Gdtr = c->Gdtr;
        state.Idtr = c->Idtr;
        (state.Cr0, state.Cr2, state.Cr3, state.Cr4) = (c->Cr0, c->Cr2, c->Cr3, c->Cr4);
        (state.Efer, state.Xcr0) = (c->Efer, c->Xcr0);
        FpuArea.DropStalePointers(c);
        new ReadOnlySpan<byte>(c->Xsave, XsaveBytes).CopyTo(state.XsaveArea);
        BitConverter.TryWriteBytes(state.XsaveArea.AsSpan(FpuArea.Pkru), vcpu.ProtectionKeys.Pkru);
        if (vcpu.ProtectionKeys.Pkru != 0) state.XsaveArea[FpuArea.Header + 1] |= PkruInUse;
        vcpu.RunLoop.SaveEvents(state);
        state.InterruptShadow = c->InterruptShadow != 0;
        state.NmiBlocked = c->NmiBlocked != 0;
        PlatformState.Save(vcpu, state);
    }

    public static void Restore(SoftVcpu vcpu, X86VcpuState state)
    {
        VcpuContext* c = vcpu.Context;
        for (int i = 0; i < 16; i++) c->Gpr[i] = state.Gpr[i];
        c->Rip = state.Rip;
        c->Rflags = state.Rflags;
        for (int i = 0; i < 8; i++)
        {
            c->Segments[i] = state.Segments[i];
            c->Dr[i] = state.DebugRegisters[i];
        }
        c->Gdtr = state.Gdtr;
        c->Idtr = state.Idtr;
        (c->Cr0, c->Cr2, c->Cr3, c->Cr4) = (state.Cr0, state.Cr2, state.Cr3, state.Cr4);
        (c->Efer, c->Xcr0) = (state.Efer, state.Xcr0);
        // A record that was never saved has no x87 state of its own: keep what the reset left.
        if (state.XsaveArea.AsSpan(0, XsaveBytes).ContainsAnyExcept((byte)0)) state.XsaveArea.AsSpan(0, XsaveBytes).CopyTo(new Span<byte>(c->Xsave, XsaveBytes));
        FpuArea.Adopt(c, vcpu.MxcsrWritable);
        vcpu.ProtectionKeys.Write((state.XsaveArea[FpuArea.Header + 1] & PkruInUse) != 0 ? BitConverter.ToUInt32(state.XsaveArea, FpuArea.Pkru) : 0);
        c->Cpl = (byte)((c->Cr0 & 1) == 0 ? 0 : (c->Rflags & Flags.Vm) != 0 ? 3 : (c->Segments[(int)Seg.Ss].Attributes >> 5) & 3);
        c->InterruptShadow = state.InterruptShadow ? (byte)1 : (byte)0;
        c->NmiBlocked = state.NmiBlocked ? (byte)1 : (byte)0;
        vcpu.RunLoop.RestoreEvents(state);
        PlatformState.Restore(vcpu, state);
        vcpu.Contexts.FlushAll();
        vcpu.Contexts.Select(c->Cr3 & 0x000f_ffff_ffff_f000, keep: false);
        vcpu.UpdateMode();
        DeliverPending(vcpu, state);
    }

    // Between instructions this engine holds no event that it has not delivered; another may.
    private static void DeliverPending(SoftVcpu vcpu, X86VcpuState state)
    {
        if (state.PendingException is PendingException exception)
            vcpu.Interpreter.Deliver(exception.Vector, EventKind.Fault, exception.HasError ? exception.Error : null);
        if (state.PendingInterrupt is byte vector) vcpu.Interpreter.DeliverInterrupt(vector);
    }
}
