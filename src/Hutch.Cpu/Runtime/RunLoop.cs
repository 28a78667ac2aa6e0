using System;
using Hutch.Core.Engine;

namespace Hutch.Cpu.Runtime;

/// <summary>Runs one vCPU.</summary>
internal sealed class RunLoop(SoftVcpu vcpu) : IDisposable
{
    public VcpuStop Run() => vcpu.Index < 0 ? VcpuStop.Requested : VcpuStop.Failed;

    public void RequestStop() { }

    /// <summary>Ends a wait.</summary>
    public void Wake() { }

    /// <inheritdoc/>
    public void Dispose() { }
}
