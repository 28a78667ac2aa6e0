namespace Hutch.Cpu.State;

/// <summary>Exception vectors (Intel SDM 3A table 6-1).</summary>
internal enum Vector : byte
{
    DivideError = 0, Debug = 1, Nmi = 2, Breakpoint = 3, Overflow = 4, BoundRange = 5, InvalidOpcode = 6, DeviceNotAvailable = 7,
    DoubleFault = 8, InvalidTss = 10, SegmentNotPresent = 11, StackFault = 12, GeneralProtection = 13, PageFault = 14,
    X87Fault = 16, AlignmentCheck = 17, MachineCheck = 18, SimdFault = 19,
}

/// <summary>A guest exception that an access or instruction raised and that has not been delivered yet.</summary>
internal struct PendingFault
{
    /// <summary>Something is pending.</summary>
    public bool Raised;

    /// <summary>The vector.</summary>
    public Vector Vector;

    /// <summary>An error code is pushed (protected mode).</summary>
    public bool HasError;

    /// <summary>The error code.</summary>
    public uint Error;

    /// <summary>Faulting linear address, for page faults; goes to CR2 on delivery.</summary>
    public ulong Address;
}

/// <summary>How memory is accessed.</summary>
internal enum AccessKind : byte
{
    /// <summary>A load.</summary>
    Read = 0,

    /// <summary>A store or read-modify-write.</summary>
    Write = 1,

    /// <summary>An instruction fetch.</summary>
    Execute = 2,
}
