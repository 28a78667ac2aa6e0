using System.Collections.Generic;
using System.Linq;
using Hutch.Core.Engine;
using Hutch.Core.State;
using Hutch.Model.Machine;
using Hutch.Model.Processor;

namespace Hutch.Vmm.Engines;

/// <summary>Whether a guest can go on with another engine's CPU: a guest cannot change its CPU while it runs.</summary>
internal static class GuestCpuMatch
{
    /// <summary>The model with exactly the features that the guest saw: models like max mean something else on another host or engine.</summary>
    internal static CpuModel Exactly(CpuModel model, GuestCpu saved)
    {
        HashSet<string> seen = [.. saved.Features];
        IEnumerable<string> removed = FeatureNames.All.Select(FeatureNames.NameOf).Where(name => !seen.Contains(name));
        // Bits without a name cannot be asked for; Check compares them.
        return model with { Added = [.. seen.Where(name => FeatureNames.Find(name) is not null)], Removed = [.. removed] };
    }

    /// <summary>Throws <see cref="StateException"/> with the first difference between the guest's CPU and the one that it would get.</summary>
    internal static void Check(GuestCpu saved, GuestCpu now)
    {
        if (saved.Vendor != now.Vendor)
            throw new StateException($"The guest was saved on a CPU of {saved.Vendor} and this engine gives one of {now.Vendor}; restore it on a host of the same make.");
        if (saved.Signature != now.Signature)
            throw new StateException($"The guest was saved on a CPU with signature 0x{saved.Signature:x} and this engine gives 0x{now.Signature:x}; restore it on a host of the same kind, or use a named CPU model.");
        foreach (string feature in saved.Features)
            if (!now.Features.Contains(feature))
                throw new StateException($"The guest uses the CPU feature '{feature}', which this engine cannot give on this host; restore it on a host that has it.");
        foreach (string feature in now.Features)
            if (!saved.Features.Contains(feature))
                throw new StateException($"This engine cannot hide the CPU feature '{feature}', which the guest did not have when it was saved; restore it with the engine of that time.");
        if (saved.SaveArea.Length > 0 && saved.SaveArea != now.SaveArea)
            throw new StateException($"The guest keeps its registers in an XSAVE area with the components at {saved.SaveArea}, and this engine has them at {now.SaveArea} on this host; restore it on a host like the first, or give it a CPU without the features that differ (9 is pku).");
    }
}
