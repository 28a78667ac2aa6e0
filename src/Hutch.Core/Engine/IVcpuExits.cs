using System;

namespace Hutch.Core.Engine;

/// <summary>What a vCPU asks of the machine around it. Called on the vCPU's thread; must not throw.</summary>
public interface IVcpuExits
{
    /// <summary>IN: <c>data.Length</c> is 1, 2 or 4.</summary>
    void ReadPort(ushort port, Span<byte> data);

    /// <summary>OUT: <c>data.Length</c> is 1, 2 or 4.</summary>
    void WritePort(ushort port, ReadOnlySpan<byte> data);

    /// <summary>A load from an address that is not RAM and not the local APIC; 1 to 8 bytes.</summary>
    void ReadMmio(ulong address, Span<byte> data);

    /// <summary>A store to an address that is not RAM and not the local APIC; 1 to 8 bytes.</summary>
    void WriteMmio(ulong address, ReadOnlySpan<byte> data);

    /// <summary>The guest ended a level-triggered interrupt of this vector: the IOAPIC clears remote IRR and may deliver again.</summary>
    void EndOfInterrupt(byte vector);

    /// <summary>INTA cycle: the PIC's vector, or -1 when its request has gone.</summary>
    int AcknowledgeExternalInterrupt();
}
