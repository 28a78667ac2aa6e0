namespace Hutch.Kvm.Abi;

/// <summary>Capabilities of linux/kvm.h (KVM_CAP_), for KVM_CHECK_EXTENSION and KVM_ENABLE_CAP. A value above 0 says that it is there.</summary>
internal enum KvmCap
{
    /// <summary>Interrupt controllers in the kernel.</summary>
    Irqchip = 0,

    /// <summary>Guest memory is memory of this process.</summary>
    UserMemory = 3,

    /// <summary>Intel's three pages for real mode can be placed.</summary>
    SetTssAddr = 4,

    /// <summary>KVM_SET_CPUID2 and KVM_GET_SUPPORTED_CPUID.</summary>
    ExtCpuid = 7,

    /// <summary>Value: vCPUs that are recommended at most.</summary>
    NrVcpus = 9,

    /// <summary>Value: memory slots.</summary>
    NrMemslots = 10,

    /// <summary>KVM_GET_MP_STATE.</summary>
    MpState = 14,

    /// <summary>Value: the page of the ring in the vCPU's mapping.</summary>
    CoalescedMmio = 15,

    /// <summary>Memory slots can be deleted.</summary>
    DestroyMemoryRegionWorks = 21,

    /// <summary>KVM_SET_GSI_ROUTING.</summary>
    IrqRouting = 25,

    /// <summary>An eventfd can raise a GSI.</summary>
    Irqfd = 32,

    /// <summary>A store can signal an eventfd.</summary>
    Ioeventfd = 36,

    /// <summary>Intel's identity page table can be placed.</summary>
    SetIdentityMapAddr = 37,

    /// <summary>KVM_GET_CLOCK; value: KVM_CLOCK_ flags.</summary>
    AdjustClock = 39,

    /// <summary>KVM_GET_VCPU_EVENTS.</summary>
    VcpuEvents = 41,

    /// <summary>KVM_GET_DEBUGREGS.</summary>
    Debugregs = 50,

    /// <summary>KVM_GET_XSAVE.</summary>
    Xsave = 55,

    /// <summary>KVM_GET_XCRS.</summary>
    Xcrs = 56,

    /// <summary>The guest's TSC can be scaled.</summary>
    TscControl = 60,

    /// <summary>KVM_GET_TSC_KHZ.</summary>
    GetTscKhz = 61,

    /// <summary>Value: vCPUs at most.</summary>
    MaxVcpus = 66,

    /// <summary>The local APIC's timer has the TSC-deadline mode.</summary>
    TscDeadlineTimer = 72,

    /// <summary>The guest's watchdogs can be told of a pause.</summary>
    KvmclockCtrl = 76,

    /// <summary>KVM_SIGNAL_MSI.</summary>
    SignalMsi = 77,

    /// <summary>Local APICs in the kernel, IOAPIC and PIC outside.</summary>
    SplitIrqchip = 121,

    /// <summary>An ioeventfd of length 0 takes stores of any width.</summary>
    IoeventfdAnyLength = 122,

    /// <summary>Value: APIC ids end below this.</summary>
    MaxVcpuId = 128,

    /// <summary>Local APIC state and MSIs carry 32-bit ids.</summary>
    X2apicApi = 129,

    /// <summary>kvm_run.immediate_exit.</summary>
    ImmediateExit = 136,

    /// <summary>Value: exits that can be switched off (HLT, MWAIT, PAUSE).</summary>
    X86DisableExits = 143,

    /// <summary>Reading the dirty log does not protect pages; KVM_CLEAR_DIRTY_LOG does. Value: flags.</summary>
    ManualDirtyLogProtect2 = 168,

    /// <summary>Value: the largest dirty ring in bytes; total store order.</summary>
    DirtyLogRing = 192,

    /// <summary>KVM_GET_SREGS2.</summary>
    Sregs2 = 200,

    /// <summary>KVM_GET_STATS_FD.</summary>
    BinaryStatsFd = 203,

    /// <summary>The kernel's emulator says where it cannot go on, for code of any ring.</summary>
    ExitOnEmulationFailure = 204,

    /// <summary>Value: bytes of KVM_GET_XSAVE2's structure.</summary>
    Xsave2 = 208,

    /// <summary>A pending triple fault is part of the vCPU's events.</summary>
    X86TripleFaultEvent = 218,

    /// <summary>As DirtyLogRing, with acquire and release.</summary>
    DirtyLogRingAcqRel = 223,
}
