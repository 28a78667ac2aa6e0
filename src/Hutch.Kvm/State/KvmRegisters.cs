using System;
using System.Runtime.InteropServices;
using Hutch.Core.Engine;
using Hutch.Core.State;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm.State;

/// <summary>
/// The state of one stopped vCPU between the kernel's structures and the engines' common record. The order of the calls matters: reading the
/// MP state first lets a waiting INIT or SIPI take effect; on the way back SREGS set IA32_APIC_BASE, which decides how the local APIC's page is
/// read, the APIC's timer mode must be there before its deadline, an MSR, and REGS and SREGS drop pending events, which therefore come last.
/// </summary>
internal sealed unsafe class KvmRegisters(KvmVcpu vcpu)
{
    private const uint ApicBase = 0x1b;
    private const int ApicVersion = 0x30;

    private KvmDescriptor Kernel => vcpu.Descriptor;

    /// <summary>Fills the record.</summary>
    internal void Save(X86VcpuState state)
    {
        KvmMpState activity = default;
        Kernel.Call(KvmIoctl.GetMpState, "KVM_GET_MP_STATE", ref activity);
        state.Activity = activity switch
        {
            KvmMpState.Halted => VcpuActivity.Halted,
            KvmMpState.Uninitialized or KvmMpState.InitReceived => VcpuActivity.WaitForSipi,
            _ => VcpuActivity.Running,
        };
        SaveGeneral(state);
        SaveSystem(state);
        SaveEvents(state);
        // SAFETY: the kernel writes 4096 and 1024 bytes, as long as the arrays are (X86VcpuState).
        fixed (byte* area = state.XsaveArea) Kernel.Call(KvmIoctl.GetXsave, "KVM_GET_XSAVE", (nuint)area);
        fixed (byte* page = state.LocalApic) Kernel.Call(KvmIoctl.GetLapic, "KVM_GET_LAPIC", (nuint)page);
        KvmXcrs xcrs = default;
        Kernel.Call(KvmIoctl.GetXcrs, "KVM_GET_XCRS", ref xcrs);
        state.Xcr0 = xcrs.Count == 0 ? 1 : xcrs.Xcr0;
        vcpu.Msrs.Save(state.Msrs);
    }

    /// <summary>Sets everything that the record holds. Throws <see cref="StateException"/> when the kernel refuses a part of it.</summary>
    internal void Restore(X86VcpuState state)
    {
        KvmMpState activity = state.Activity switch
        {
            VcpuActivity.Halted => KvmMpState.Halted,
            VcpuActivity.WaitForSipi => KvmMpState.InitReceived,
            _ => KvmMpState.Runnable,
        };
        RestoreSystem(state);
        RestoreGeneral(state);
        KvmXcrs xcrs = new() { Count = 1, Xcr0 = state.Xcr0 };
        Set(KvmIoctl.SetXcrs, "XCR0", ref xcrs);
        // SAFETY: the kernel reads 4096 and 1024 bytes, as long as the arrays are. A record that was never saved has no area and no page: what is there stays.
        if (state.XsaveArea.AsSpan(0, 576).ContainsAnyExcept((byte)0))
            fixed (byte* area = state.XsaveArea) Check(Kernel.Try(KvmIoctl.SetXsave, (nuint)area), "the vector registers");
        if (MemoryMarshal.Read<uint>(state.LocalApic.AsSpan(ApicVersion)) != 0)
            fixed (byte* page = state.LocalApic) Check(Kernel.Try(KvmIoctl.SetLapic, (nuint)page), "the local APIC");
        Set(KvmIoctl.SetMpState, "the activity", ref activity);
        vcpu.Msrs.Restore(state.Msrs);
        RestoreEvents(state);
    }

    /// <summary>Makes the vCPU deliver an external interrupt before its next instruction, out of HLT too. It can take one now.</summary>
    internal void InjectInterrupt(byte vector)
    {
        KvmVcpuEvents events = default;
        Kernel.Call(KvmIoctl.GetVcpuEvents, "KVM_GET_VCPU_EVENTS", ref events);
        events.InterruptInjected = 1;
        events.InterruptVector = vector;
        events.InterruptSoft = 0;
        Kernel.Call(KvmIoctl.SetVcpuEvents, "KVM_SET_VCPU_EVENTS", ref events);
        KvmMpState activity = KvmMpState.Runnable;
        Kernel.Call(KvmIoctl.GetMpState, "KVM_GET_MP_STATE", ref activity);
        if (activity != KvmMpState.Halted) return;
        activity = KvmMpState.Runnable;
        Kernel.Call(KvmIoctl.SetMpState, "KVM_SET_MP_STATE", ref activity);
    }

    private void SaveGeneral(X86VcpuState state)
    {
        KvmRegs r = default;
        Kernel.Call(KvmIoctl.GetRegs, "KVM_GET_REGS", ref r);
        ReadOnlySpan<ulong> gpr = [r.Rax, r.Rcx, r.Rdx, r.Rbx, r.Rsp, r.Rbp, r.Rsi, r.Rdi, r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15];
        gpr.CopyTo(state.Gpr);
        state.Rip = r.Rip;
        state.Rflags = r.Rflags;
        KvmDebugRegs d = default;
        Kernel.Call(KvmIoctl.GetDebugregs, "KVM_GET_DEBUGREGS", ref d);
        ReadOnlySpan<ulong> debug = [d.Dr0, d.Dr1, d.Dr2, d.Dr3, 0, 0, d.Dr6, d.Dr7];
        debug.CopyTo(state.DebugRegisters);
    }

    private void RestoreGeneral(X86VcpuState state)
    {
        ulong[] g = state.Gpr;
        KvmRegs r = new()
        {
            Rax = g[0], Rcx = g[1], Rdx = g[2], Rbx = g[3], Rsp = g[4], Rbp = g[5], Rsi = g[6], Rdi = g[7],
            R8 = g[8], R9 = g[9], R10 = g[10], R11 = g[11], R12 = g[12], R13 = g[13], R14 = g[14], R15 = g[15],
            Rip = state.Rip, Rflags = state.Rflags,
        };
        Set(KvmIoctl.SetRegs, "the general registers", ref r);
        ulong[] debug = state.DebugRegisters;
        KvmDebugRegs d = new() { Dr0 = debug[0], Dr1 = debug[1], Dr2 = debug[2], Dr3 = debug[3], Dr6 = debug[6], Dr7 = debug[7] };
        Set(KvmIoctl.SetDebugregs, "the debug registers", ref d);
    }

    private void SaveSystem(X86VcpuState state)
    {
        KvmSregs s = default;
        Kernel.Call(KvmIoctl.GetSregs, "KVM_GET_SREGS", ref s);
        ReadOnlySpan<KvmSegment> segments = [s.Es, s.Cs, s.Ss, s.Ds, s.Fs, s.Gs, s.Ldt, s.Tr];
        for (int i = 0; i < segments.Length; i++) state.Segments[i] = SegmentMapping.FromKvm(segments[i]);
        state.Gdtr = new TableState { Base = s.Gdt.Base, Limit = s.Gdt.Limit };
        state.Idtr = new TableState { Base = s.Idt.Base, Limit = s.Idt.Limit };
        (state.Cr0, state.Cr2, state.Cr3, state.Cr4, state.Cr8, state.Efer) = (s.Cr0, s.Cr2, s.Cr3, s.Cr4, s.Cr8, s.Efer);
        state.Msrs[ApicBase] = s.ApicBase;
    }

    private void RestoreSystem(X86VcpuState state)
    {
        KvmSregs s = default;
        Kernel.Call(KvmIoctl.GetSregs, "KVM_GET_SREGS", ref s);
        SegmentState[] from = state.Segments;
        (s.Es, s.Cs, s.Ss, s.Ds) = (SegmentMapping.ToKvm(from[0]), SegmentMapping.ToKvm(from[1]), SegmentMapping.ToKvm(from[2]), SegmentMapping.ToKvm(from[3]));
        (s.Fs, s.Gs, s.Ldt, s.Tr) = (SegmentMapping.ToKvm(from[4]), SegmentMapping.ToKvm(from[5]), SegmentMapping.ToKvm(from[6]), SegmentMapping.ToKvm(from[7]));
        s.Gdt = new KvmTable { Base = state.Gdtr.Base, Limit = state.Gdtr.Limit };
        s.Idt = new KvmTable { Base = state.Idtr.Base, Limit = state.Idtr.Limit };
        (s.Cr0, s.Cr2, s.Cr3, s.Cr4, s.Cr8, s.Efer) = (state.Cr0, state.Cr2, state.Cr3, state.Cr4, state.Cr8, state.Efer);
        if (state.Msrs.TryGetValue(ApicBase, out ulong apicBase)) s.ApicBase = apicBase;
        s.Interrupts = default;
        Set(KvmIoctl.SetSregs, "the system registers", ref s);
    }

    private void SaveEvents(X86VcpuState state)
    {
        KvmVcpuEvents events = default;
        Kernel.Call(KvmIoctl.GetVcpuEvents, "KVM_GET_VCPU_EVENTS", ref events);
        state.InterruptShadow = events.InterruptShadow != 0;
        // An NMI that the processor has begun to deliver waits again; nothing of it has happened.
        bool injected = events.NmiInjected != 0;
        state.NmiPending = injected || events.NmiPending != 0;
        state.NmiBlocked = !injected && events.NmiMasked != 0;
        state.PendingInterrupt = events.InterruptInjected != 0 ? events.InterruptVector : null;
        state.PendingException = events.ExceptionInjected != 0 || events.ExceptionPending != 0
            ? new PendingException(events.ExceptionVector, events.ExceptionHasError != 0, events.ExceptionError)
            : null;
    }

    private void RestoreEvents(X86VcpuState state)
    {
        KvmVcpuEvents events = new()
        {
            InterruptShadow = state.InterruptShadow ? KvmVcpuEvents.ShadowSti : (byte)0,
            NmiPending = state.NmiPending ? (byte)1 : (byte)0,
            NmiMasked = state.NmiBlocked ? (byte)1 : (byte)0,
            Flags = KvmVcpuEvents.ValidNmiPending | KvmVcpuEvents.ValidShadow,
        };
        if (state.PendingInterrupt is byte vector) (events.InterruptInjected, events.InterruptVector) = (1, vector);
        if (state.PendingException is PendingException exception)
        {
            (events.ExceptionInjected, events.ExceptionVector) = (1, exception.Vector);
            (events.ExceptionHasError, events.ExceptionError) = (exception.HasError ? (byte)1 : (byte)0, exception.Error);
        }
        Set(KvmIoctl.SetVcpuEvents, "the pending events", ref events);
    }

    private void Set<T>(uint request, string part, ref T value) where T : unmanaged => Check(Kernel.Try(request, ref value), part);

    private void Check(int result, string part)
    {
        if (result < 0)
            throw new StateException($"KVM refuses {part} of vCPU {vcpu.Index}: {new Host.Linux.LinuxException("ioctl", -result, "the state").Message} Restore it with --engine software.");
    }
}
