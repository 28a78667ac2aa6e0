using System.Runtime.InteropServices;
using Hutch.Core.Memory;

namespace Hutch.Devices.Usb;

/// <summary>A transfer request block as it lies in memory (xHCI 1.2 §4.11, §6.4).</summary>
/// <param name="Parameter">An address or data.</param>
/// <param name="Status">Length or completion code.</param>
/// <param name="Control">Cycle bit, flags, type.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct Trb(ulong Parameter, uint Status, uint Control)
{
    /// <summary>Bytes of one.</summary>
    internal const int Bytes = 16;

    /// <summary>Flags of <see cref="Control"/>.</summary>
    internal const uint CycleBit = 1, ToggleCycle = 2, InterruptOnShort = 4, Chain = 1 << 4, InterruptOnCompletion = 1 << 5, ImmediateData = 1 << 6, EventData = 1 << 2;

    /// <summary>What it asks for.</summary>
    internal TrbType Type => (TrbType)((Control >> 10) & 0x3f);

    /// <summary>Bytes of data that it has room for.</summary>
    internal int Length => (int)(Status & 0x1ffff);

    /// <summary>The slot that a command is for.</summary>
    internal int Slot => (int)(Control >> 24);

    /// <summary>The endpoint that a command is for, by its context's number.</summary>
    internal int Endpoint => (int)((Control >> 16) & 0x1f);

    /// <summary>Whether a flag is set.</summary>
    internal bool Has(uint flag) => (Control & flag) != 0;
}

/// <summary>Types of <see cref="Trb"/> (xHCI 1.2 table 6-91).</summary>
internal enum TrbType
{
    Normal = 1, SetupStage = 2, DataStage = 3, StatusStage = 4, Link = 6, EventData = 7, NoOp = 8,
    EnableSlot = 9, DisableSlot = 10, AddressDevice = 11, ConfigureEndpoint = 12, EvaluateContext = 13, ResetEndpoint = 14, StopEndpoint = 15, SetDequeue = 16, ResetDevice = 17, NoOpCommand = 23,
    TransferEvent = 32, CommandCompletion = 33, PortStatusChange = 34,
}

/// <summary>How a command or transfer ended (xHCI 1.2 table 6-90).</summary>
internal enum CompletionCode
{
    Success = 1, DataBuffer = 2, Transaction = 4, Trb = 5, Stall = 6, NoSlots = 9, SlotNotEnabled = 11, EndpointNotEnabled = 12, ShortPacket = 13, Parameter = 17, ContextState = 19,
    RingStopped = 24, Stopped = 26,
}

/// <summary>Where the controller reads a ring of commands or transfers (xHCI 1.2 §4.9).</summary>
internal struct TrbRing(ulong dequeue, bool cycle)
{
    // Links that lead to links; a ring that a driver makes has one in a row.
    private const int MostLinks = 8;

    /// <summary>Address of the next block.</summary>
    internal ulong Dequeue = dequeue & ~0xful;

    /// <summary>The cycle bit of blocks that are the controller's.</summary>
    internal bool Cycle = cycle;

    /// <summary>What the registers and contexts say of it: address and cycle bit.</summary>
    internal readonly ulong Pointer => Dequeue | (Cycle ? 1u : 0);

    /// <summary>Takes the next block and where it lies, past links. False: there is none, or the ring is not in memory.</summary>
    internal bool TryTake(GuestMemory memory, out Trb block, out ulong address)
    {
        address = 0;
        block = default;
        for (int links = 0; links <= MostLinks; links++)
        {
            address = Dequeue;
            if (!memory.TryRead(address, out block) || block.Has(Trb.CycleBit) != Cycle) return false;
            Dequeue += Trb.Bytes;
            if (block.Type != TrbType.Link) return true;
            Dequeue = block.Parameter & ~0xful;
            if (block.Has(Trb.ToggleCycle)) Cycle = !Cycle;
        }
        return false;
    }
}
