using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Cpu.Cpuid;
using Hutch.Host.Time;
using Hutch.Model.Machine;
using Hutch.Model.Processor;

namespace Hutch.Cpu;

/// <summary>The software engine: executes guests without /dev/kvm and without privilege.</summary>
/// <param name="timers">Timers and clock of the process.</param>
/// <param name="options">How translated code runs.</param>
public sealed class SoftHypervisor(ITimerService timers, SoftEngineOptions options = default) : IHypervisor
{
    /// <inheritdoc/>
    public string Name => "software";

    /// <inheritdoc/>
    public bool PrefersHugePages => false;

    /// <inheritdoc/>
    public IVirtualMachine CreateMachine(GuestMemory memory, CpuTopology topology, CpuModel model) => new SoftMachine(memory, topology, model, timers, options: options);

    /// <summary>What CPUs the engine can give guests on this host.</summary>
    public static CpuOffer OfferCpu() => SoftCpuid.Create().Offer();

    /// <inheritdoc/>
    public void Dispose() { }
}
