using System.Runtime.InteropServices;

namespace Hutch.Kvm.Abi;

/// <summary>
/// struct kvm_run (linux/kvm.h), the first page of a vCPU's mapping. From offset 32 on it is a union by <see cref="ExitReason"/>.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 2352)]
internal unsafe struct KvmRun
{
    /// <summary>request_interrupt_window: exit as soon as the guest can take an interrupt.</summary>
    [FieldOffset(0)] public byte RequestInterruptWindow;

    /// <summary>immediate_exit: KVM_RUN completes a pending access and returns EINTR.</summary>
    [FieldOffset(1)] public byte ImmediateExit;

    /// <summary>exit_reason.</summary>
    [FieldOffset(8)] public KvmExit ExitReason;

    /// <summary>ready_for_interrupt_injection: KVM_INTERRUPT will be taken.</summary>
    [FieldOffset(12)] public byte ReadyForInterruptInjection;

    /// <summary>if_flag: RFLAGS.IF.</summary>
    [FieldOffset(13)] public byte InterruptFlag;

    /// <summary>io.direction: 1 for OUT.</summary>
    [FieldOffset(32)] public byte IoIsOut;

    /// <summary>io.size: 1, 2 or 4 bytes.</summary>
    [FieldOffset(33)] public byte IoSize;

    /// <summary>io.port.</summary>
    [FieldOffset(34)] public ushort IoPort;

    /// <summary>io.count: how many accesses of that size (string instructions).</summary>
    [FieldOffset(36)] public uint IoCount;

    /// <summary>io.data_offset from the start of this structure.</summary>
    [FieldOffset(40)] public ulong IoDataOffset;

    /// <summary>mmio.phys_addr.</summary>
    [FieldOffset(32)] public ulong MmioAddress;

    /// <summary>mmio.data: at most 8 bytes.</summary>
    [FieldOffset(40)] public fixed byte MmioData[8];

    /// <summary>mmio.len: 1 to 8.</summary>
    [FieldOffset(48)] public uint MmioLength;

    /// <summary>mmio.is_write.</summary>
    [FieldOffset(52)] public byte MmioIsWrite;

    /// <summary>internal.suberror: <see cref="EmulationError"/> and others.</summary>
    [FieldOffset(32)] public uint InternalError;

    /// <summary>internal.ndata: words in <see cref="InternalData"/>.</summary>
    [FieldOffset(36)] public uint InternalDataCount;

    /// <summary>internal.data.</summary>
    [FieldOffset(40)] public fixed ulong InternalData[16];

    /// <summary>emulation_failure.flags: bit 0 says that the instruction's bytes are there.</summary>
    [FieldOffset(40)] public ulong EmulationFlags;

    /// <summary>emulation_failure.insn_size.</summary>
    [FieldOffset(48)] public byte InstructionLength;

    /// <summary>emulation_failure.insn_bytes.</summary>
    [FieldOffset(49)] public fixed byte Instruction[15];

    /// <summary>eoi.vector.</summary>
    [FieldOffset(32)] public byte EoiVector;

    /// <summary>fail_entry.hardware_entry_failure_reason.</summary>
    [FieldOffset(32)] public ulong EntryFailure;

    /// <summary>system_event.type: 1 shutdown, 2 reset, 3 crash.</summary>
    [FieldOffset(32)] public uint SystemEventType;

    /// <summary>KVM_INTERNAL_ERROR_EMULATION.</summary>
    internal const uint EmulationError = 1;
}
