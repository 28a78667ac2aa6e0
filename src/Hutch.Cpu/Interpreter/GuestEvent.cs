using Hutch.Cpu.State;

namespace Hutch.Cpu.Interpreter;

/// <summary>Where an exception or interrupt comes from; decides gate privilege checks, EXT and RF.</summary>
internal enum EventKind : byte
{
    /// <summary>A fault of the current instruction: RF is set in the pushed flags.</summary>
    Fault,

    /// <summary>A debug exception: RF is pushed as it is, also for the faults among them (Intel SDM 3B §18.3.1.1).</summary>
    Trap,

    /// <summary>An external interrupt.</summary>
    External,

    /// <summary>A non-maskable interrupt.</summary>
    Nmi,

    /// <summary>INT n: the gate's DPL is checked, IOPL in virtual-8086 mode.</summary>
    SoftwareInterrupt,

    /// <summary>INT3 and INTO: the gate's DPL is checked.</summary>
    SoftwareException,

    /// <summary>INT1: nothing is checked.</summary>
    PrivilegedSoftware,
}

/// <summary>One exception or interrupt to deliver.</summary>
internal readonly struct GuestEvent(byte vector, EventKind kind, bool hasError = false, uint error = 0)
{
    public byte Vector => vector;

    public EventKind Kind => kind;

    public bool HasError => hasError;

    public uint Error => error;

    /// <summary>The EXT bit of error codes that delivery of this event raises.</summary>
    public uint Ext => kind is EventKind.SoftwareInterrupt or EventKind.SoftwareException ? 0u : 1u;

    /// <summary>The gate's DPL must not be below the CPL.</summary>
    public bool ChecksGate => kind is EventKind.SoftwareInterrupt or EventKind.SoftwareException;

    /// <summary>The event that delivers a pending fault.</summary>
    public static GuestEvent Of(in PendingFault fault) => 
        new((byte)fault.Vector, fault.Vector == State.Vector.Debug ? EventKind.Trap : EventKind.Fault, fault.HasError, fault.Error);

    /// <summary>A double fault.</summary>
    public static GuestEvent DoubleFault => new((byte)State.Vector.DoubleFault, EventKind.Fault, true, 0);
}
