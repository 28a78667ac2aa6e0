using System;
using Hutch.Core.Engine;

namespace Hutch.Cpu.Apic;

/// <summary>
/// The part of a vCPU's state record that is the local APIC's and the MSRs'. Called when the registers proper have been copied; the vCPU is stopped.
/// </summary>
internal static class PlatformState
{
    /// <summary>Fills LocalApic, Cr8, Msrs and NmiPending.</summary>
    public static void Save(SoftVcpu vcpu, X86VcpuState state)
    {
        vcpu.Msrs.Save(state.Msrs);
        vcpu.Apic.Save(state.LocalApic);
        state.Cr8 = vcpu.Apic.Cr8;
        state.NmiPending = vcpu.Apic.IsNmiPending;
    }

    /// <summary>The reverse. A record whose APIC page has never been filled leaves the APIC as it is.</summary>
    public static void Restore(SoftVcpu vcpu, X86VcpuState state)
    {
        // The mode decides how the page is read; the timer's mode, which is in the page, must be right before its deadline, which is an MSR.
        vcpu.Msrs.RestoreApicBase(state.Msrs);
        vcpu.Apic.RestoreEvents(state.Activity == VcpuActivity.WaitForSipi, state.NmiPending);
        if (state.LocalApic.AsSpan(ApicRegister.Version * 16, 4).ContainsAnyExcept((byte)0)) vcpu.Apic.Restore(state.LocalApic);
        // TPR has four more bits than CR8.
        if (vcpu.Apic.Cr8 != state.Cr8) vcpu.Apic.Cr8 = state.Cr8;
        vcpu.Msrs.RestoreRest(state.Msrs);
    }
}
