using System.Collections.Generic;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm;

/// <summary>What the kernel's KVM can do, as far as the engine cares.</summary>
internal sealed class KvmCapabilities
{
    /// <summary>The version of the interface; it has not changed since Linux 2.6.22.</summary>
    internal const int ApiVersion = 12;

    /// <summary>What no machine can do without, and what for.</summary>
    private static readonly (KvmCap Cap, string Purpose)[] Required =
    [
        (KvmCap.UserMemory, "guest memory"),
        (KvmCap.DestroyMemoryRegionWorks, "taking memory out"),
        (KvmCap.ExtCpuid, "CPU models"),
        (KvmCap.SetTssAddr, "real mode on Intel"),
        (KvmCap.SetIdentityMapAddr, "real mode on Intel"),
        (KvmCap.Irqchip, "local APICs in the kernel"),
        (KvmCap.SplitIrqchip, "local APICs in the kernel with the IOAPIC outside"),
        (KvmCap.IrqRouting, "interrupt routes"),
        (KvmCap.SignalMsi, "message-signalled interrupts"),
        (KvmCap.Irqfd, "interrupts by eventfd"),
        (KvmCap.Ioeventfd, "doorbells by eventfd"),
        (KvmCap.ImmediateExit, "stopping a vCPU"),
        (KvmCap.MpState, "the state of halted vCPUs"),
        (KvmCap.VcpuEvents, "the state of pending events"),
        (KvmCap.Debugregs, "the state of debug registers"),
        (KvmCap.Xsave, "the state of vector registers"),
        (KvmCap.Xcrs, "the state of vector registers"),
        (KvmCap.GetTscKhz, "the TSC's frequency"),
        (KvmCap.AdjustClock, "the state of the paravirtual clock"),
    ];

    private readonly KvmDescriptor _system;

    internal KvmCapabilities(KvmDescriptor system) => _system = system;

    /// <summary>The capability's value; 0 when it is not there.</summary>
    internal int this[KvmCap cap]
    {
        get
        {
            int value = _system.Try(KvmIoctl.CheckExtension, (nuint)cap);
            return value < 0 ? 0 : value;
        }
    }

    /// <summary>The dirty log can be read without protecting pages (KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE).</summary>
    internal bool HasManualDirtyProtection => (this[KvmCap.ManualDirtyLogProtect2] & 1) != 0;

    /// <summary>One line for each required capability that is missing: its name in linux/kvm.h and what it is for.</summary>
    internal IEnumerable<string> Missing()
    {
        foreach ((KvmCap cap, string purpose) in Required)
            if (this[cap] == 0) yield return $"{cap} ({purpose})";
    }
}
