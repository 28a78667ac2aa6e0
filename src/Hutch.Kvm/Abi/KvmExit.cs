namespace Hutch.Kvm.Abi;

/// <summary>kvm_run.exit_reason (KVM_EXIT_ of linux/kvm.h): why KVM_RUN returned.</summary>
internal enum KvmExit : uint
{
    /// <summary>Something the kernel does not know.</summary>
    Unknown = 0,

    /// <summary>IN or OUT.</summary>
    Io = 2,

    /// <summary>HLT, where the local APIC is not the kernel's.</summary>
    Hlt = 5,

    /// <summary>A load or store that hits no memory slot.</summary>
    Mmio = 6,

    /// <summary>The guest can take an interrupt now.</summary>
    IrqWindowOpen = 7,

    /// <summary>Triple fault.</summary>
    Shutdown = 8,

    /// <summary>The processor refused the guest's state.</summary>
    FailEntry = 9,

    /// <summary>A signal.</summary>
    Interrupted = 10,

    /// <summary>The kernel cannot go on.</summary>
    InternalError = 17,

    /// <summary>The guest asked for power-off or reset by a paravirtual call.</summary>
    SystemEvent = 24,

    /// <summary>A level-triggered interrupt of an IOAPIC route was ended.</summary>
    IoapicEoi = 26,

    /// <summary>The dirty ring must be emptied before the vCPU can go on.</summary>
    DirtyRingFull = 31,
}
