using System.Runtime.InteropServices;

namespace Hutch.Core.Engine;

/// <summary>A segment register with its hidden part (Intel SDM 3A §3.4.3).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct SegmentState
{
    /// <summary>Base address.</summary>
    public ulong Base;

    /// <summary>Limit in bytes, already scaled by the granularity bit.</summary>
    public uint Limit;

    /// <summary>Descriptor bits 40-47 and 52-55 in bits 0-7 and 12-15 (type 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, D/B 14, G 15); bit 16 set: null selector loaded, unusable.</summary>
    public uint Attributes;

    /// <summary>Visible selector.</summary>
    public ushort Selector;
}

/// <summary>The base and limit of a descriptor table register.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct TableState
{
    /// <summary>Linear base address.</summary>
    public ulong Base;

    /// <summary>Limit in bytes.</summary>
    public ushort Limit;
}

/// <summary>What a vCPU does when it is not executing instructions.</summary>
public enum VcpuActivity
{
    /// <summary>Executing.</summary>
    Running,

    /// <summary>In HLT.</summary>
    Halted,

    /// <summary>Waits for a start-up IPI.</summary>
    WaitForSipi,
}

/// <summary>An exception between its cause and its handler.</summary>
/// <param name="Vector">0 to 31, but not 2.</param>
/// <param name="HasError">An error code is pushed.</param>
/// <param name="Error">The error code.</param>
public readonly record struct PendingException(byte Vector, bool HasError, uint Error);

/// <summary>The architectural state of one vCPU, the same record for every engine, so that state can move between them.</summary>
public sealed class X86VcpuState
{
    /// <summary>RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15: the encoding's order.</summary>
    public ulong[] Gpr { get; } = new ulong[16];

    /// <summary>Instruction pointer.</summary>
    public ulong Rip { get; set; }

    /// <summary>RFLAGS, all bits.</summary>
    public ulong Rflags { get; set; } = 2;

    /// <summary>ES, CS, SS, DS, FS, GS, LDTR, TR.</summary>
    public SegmentState[] Segments { get; } = new SegmentState[8];

    /// <summary>GDTR.</summary>
    public TableState Gdtr { get; set; }

    /// <summary>IDTR.</summary>
    public TableState Idtr { get; set; }

    /// <summary>CR0.</summary>
    public ulong Cr0 { get; set; }

    /// <summary>CR2.</summary>
    public ulong Cr2 { get; set; }

    /// <summary>CR3.</summary>
    public ulong Cr3 { get; set; }

    /// <summary>CR4.</summary>
    public ulong Cr4 { get; set; }

    /// <summary>CR8: the task priority class.</summary>
    public ulong Cr8 { get; set; }

    /// <summary>IA32_EFER.</summary>
    public ulong Efer { get; set; }

    /// <summary>XCR0.</summary>
    public ulong Xcr0 { get; set; } = 1;

    /// <summary>DR0-DR3, then DR6 and DR7 at 6 and 7.</summary>
    public ulong[] DebugRegisters { get; } = new ulong[8];

    /// <summary>XSAVE area in standard format: legacy region, header, AVX at 576 (832 bytes used).</summary>
    public byte[] XsaveArea { get; } = new byte[4096];

    /// <summary>MSRs that the other fields do not hold: index to value.</summary>
    public System.Collections.Generic.Dictionary<uint, ulong> Msrs { get; } = [];

    /// <summary>The 4 KiB register page of the local APIC in xAPIC layout; ids and ICR in x2APIC form where that mode is on (as KVM_GET_LAPIC with x2apic ids).</summary>
    public byte[] LocalApic { get; } = new byte[1024];

    /// <summary>Running, halted or waiting for SIPI.</summary>
    public VcpuActivity Activity { get; set; }

    /// <summary>Interrupts are held off for one instruction after STI or MOV SS.</summary>
    public bool InterruptShadow { get; set; }

    /// <summary>An NMI handler is active: NMIs are blocked until IRET.</summary>
    public bool NmiBlocked { get; set; }

    /// <summary>An NMI waits.</summary>
    public bool NmiPending { get; set; }

    /// <summary>Vector of an external interrupt that the processor has acknowledged (local APIC: in service) and delivers before its next instruction.</summary>
    public byte? PendingInterrupt { get; set; }

    /// <summary>A fault that the processor has raised and delivers before its next instruction; before <see cref="PendingInterrupt"/>.</summary>
    public PendingException? PendingException { get; set; }
}
