using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Model.Machine;
using Hutch.Model.Processor;

namespace Hutch.Vmm.Engines;

/// <summary>An engine whose one machine can go on with another engine, when the first meets an instruction that it cannot execute.</summary>
/// <param name="first">The engine that begins; owned.</param>
/// <param name="openSecond">Makes the other engine.</param>
/// <param name="say">Tells the user of the change.</param>
/// <param name="common">
/// Features that the other engine has too, where the change is to be expected: then <c>max</c> and <c>host</c> have no others. Null: all that the first has, which a
/// guest may use so that it cannot be handed over.
/// </param>
internal sealed class HandoverHypervisor(IHypervisor first, Func<IHypervisor> openSecond, Action<string> say, FeatureSet? common = null) : IHypervisor
{
    private HandoverMachine? _machine;
    private IHypervisor? _second;

    /// <summary>The name of the engine that runs the machine now. Any thread.</summary>
    public string Name => _machine?.IsHandedOver == true ? _second!.Name : first.Name;

    /// <inheritdoc/>
    public bool PrefersHugePages => first.PrefersHugePages;

    /// <inheritdoc/>
    public IVirtualMachine CreateMachine(GuestMemory memory, CpuTopology topology, CpuModel model)
    {
        if (_machine is not null) throw new InvalidOperationException("There is one machine in a process.");
        model = Limit(model);
        return _machine = new HandoverMachine(first.CreateMachine(memory, topology, model), cpu => Second().CreateMachine(memory, topology, GuestCpuMatch.Exactly(model, cpu)), say);
    }

    private CpuModel Limit(CpuModel model)
    {
        if (common is null || model.Name is not (CpuModelCatalog.Max or CpuModelCatalog.Host)) return model;
        IEnumerable<string> others = FeatureNames.All.Where(feature => !common[feature]).Select(FeatureNames.NameOf);
        return model with { Removed = [.. model.Removed.Union(others).Except(model.Added)] };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _second?.Dispose();
        first.Dispose();
    }

    private IHypervisor Second() => _second ??= openSecond();
}
