using Hutch.Core.Engine;
using Hutch.Vmm.Control;

namespace Hutch.Vmm.Run;

/// <summary>What can happen to the whole machine.</summary>
internal enum RequestKind
{
    /// <summary>The guest switched itself off.</summary>
    PowerOff,

    /// <summary>The guest reset the platform, or a vCPU took a triple fault.</summary>
    Reset,

    /// <summary>The guest asked for an exit status.</summary>
    Exit,

    /// <summary>A vCPU's engine cannot go on.</summary>
    VcpuFailed,

    /// <summary>An exception reached the wall of a vCPU thread or of a device access: a defect of ours.</summary>
    Defect,

    /// <summary>Something failed that the operator is told of, and the guest goes on.</summary>
    Report,

    /// <summary>The guest is in trouble, and is to be paused for it.</summary>
    AlarmStop,

    /// <summary>A disk's storage failed, and a request waits until the machine was paused and goes on.</summary>
    StorageStop,

    /// <summary>The guest gave devices up.</summary>
    Ejected,

    /// <summary>The user left, or a signal arrived.</summary>
    Leave,

    /// <summary>A client asks for something.</summary>
    Control,
}

/// <summary>One entry of the state driver's mailbox.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Status">Exit status, for <see cref="RequestKind.Exit"/> and <see cref="RequestKind.Leave"/>.</param>
/// <param name="Detail">What went wrong, for <see cref="RequestKind.Defect"/>, <see cref="RequestKind.Report"/> and <see cref="RequestKind.AlarmStop"/>.</param>
/// <param name="Failure">What went wrong, for <see cref="RequestKind.VcpuFailed"/>.</param>
/// <param name="Call">What a client asks, for <see cref="RequestKind.Control"/>.</param>
internal sealed record MachineRequest(RequestKind Kind, int Status = 0, string? Detail = null, VcpuFailure? Failure = null, ControlCall? Call = null);
