using System;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Runtime;

/// <summary>The translated blocks of one vCPU.</summary>
internal sealed class Translations(SoftVcpu vcpu) : IDisposable
{
    /// <summary>Drops the blocks that overlap some granules of a RAM page.</summary>
    public void InvalidateBlocks(int page, ulong granules) => _ = vcpu;

    /// <summary>Told of every mode change.</summary>
    public void OnModeChange(BlockMode from, BlockMode to) { }

    /// <inheritdoc/>
    public void Dispose() { }
}
