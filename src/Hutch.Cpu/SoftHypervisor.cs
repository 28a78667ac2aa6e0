using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Host.Time;
using Hutch.Model.Machine;

namespace Hutch.Cpu;

/// <summary>The software engine: executes guests without /dev/kvm and without privilege.</summary>
public sealed class SoftHypervisor(ITimerService timers) : IHypervisor
{
    /// <inheritdoc/>
    public string Name => "software";

    /// <inheritdoc/>
    public IVirtualMachine CreateMachine(GuestMemory memory, CpuTopology topology, CpuModel model) => new SoftMachine(memory, topology, model, timers);

    /// <inheritdoc/>
    public void Dispose() { }
}
