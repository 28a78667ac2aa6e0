using System.Threading;
using Hutch.Core.Engine;

namespace Hutch.Vmm.Engines;

/// <summary>A vCPU that is one engine's first and another's later.</summary>
internal sealed class HandoverVcpu(IVcpu first) : IVcpu
{
    private readonly int _index = first.Index;
    private IVcpu _current = first;

    /// <summary>The engine's vCPU.</summary>
    internal IVcpu Current => Volatile.Read(ref _current);

    /// <inheritdoc/>
    public int Index => _index;

    /// <inheritdoc/>
    public VcpuFailure? Failure => Current.Failure;

    /// <summary>The other engine's vCPU takes its place. It does not run.</summary>
    internal void Switch(IVcpu second) => Volatile.Write(ref _current, second);

    /// <inheritdoc/>
    public VcpuStop Run(IVcpuExits exits) => Current.Run(exits);

    /// <inheritdoc/>
    public void RequestStop() => Current.RequestStop();

    /// <inheritdoc/>
    public void Reset() => Current.Reset();

    /// <inheritdoc/>
    public void SaveRegisters(X86VcpuState state) => Current.SaveRegisters(state);

    /// <inheritdoc/>
    public void RestoreRegisters(X86VcpuState state) => Current.RestoreRegisters(state);

    /// <summary>The machines own their vCPUs.</summary>
    public void Dispose() { }
}
