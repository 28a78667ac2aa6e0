using System;

namespace Hutch.Cpu.Apic;

/// <summary>The local APIC of one vCPU.</summary>
internal sealed class LocalApic(SoftVcpu vcpu) : IDisposable
{
    /// <summary>Whether a physical address is in this APIC's enabled xAPIC page.</summary>
    public bool ClaimsMmio(ulong physical) => vcpu.Index < 0 && physical == 0;

    /// <summary>Reads a register of the xAPIC page.</summary>
    public void ReadMmio(ulong offset, Span<byte> data) => data.Clear();

    /// <summary>Writes a register of the xAPIC page.</summary>
    public void WriteMmio(ulong offset, ReadOnlySpan<byte> data) { }

    /// <inheritdoc/>
    public void Dispose() { }
}
