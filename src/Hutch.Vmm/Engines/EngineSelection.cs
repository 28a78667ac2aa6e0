using System;
using Hutch.Core.Engine;
using Hutch.Cpu;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Hutch.Host.Time;
using Hutch.Kvm;
using Hutch.Kvm.Probe;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Engines;

/// <summary>An engine and why it is that one.</summary>
/// <param name="Hypervisor">The engine; owned.</param>
/// <param name="Sentence">What to tell the user once the machine is built, or null.</param>
internal sealed record ChosenEngine(IHypervisor Hypervisor, string? Sentence) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => Hypervisor.Dispose();
}

/// <summary>Chooses the engine of a machine: the only place that knows which engines there are.</summary>
/// <param name="signals">What is known of KVM without calling it.</param>
/// <param name="probe">Executes the probe.</param>
/// <param name="remembered">The verdict of an earlier run.</param>
/// <param name="openKvm">Opens KVM; throws <see cref="KvmUnavailableException"/>.</param>
/// <param name="openSoftware">Makes the software engine.</param>
/// <param name="say">Tells the user of a change of engines in mid-run.</param>
internal sealed class EngineSelection(
    Func<ProbeSignals> signals, Func<ProbeSignals, KvmProbeResult> probe, RememberedVerdict remembered, Func<IHypervisor> openKvm, Func<IHypervisor> openSoftware, Action<string> say)
{
    /// <summary>The choice for this host and user.</summary>
    internal static EngineSelection OfThisHost(ITimerService timers, Action<string> say) => new(
        ProbeSignals.Read, known => KvmProbe.Run(new DeviceCalls(), known), RememberedVerdict.OfThisUser(UserFolders.Cache), () => KvmHypervisor.Open(),
        // For finding faults of the engine: every translated block is checked against the interpreter (one vCPU; minutes to boot).
        () => new SoftHypervisor(timers, new SoftEngineOptions(LockStep: Environment.GetEnvironmentVariable("HUTCH_LOCKSTEP") == "1")), say);

    /// <summary>Opens the engine. Throws <see cref="KvmUnavailableException"/> where the user insists on KVM and there is none.</summary>
    internal ChosenEngine Open(EngineChoice choice)
    {
        if (choice == EngineChoice.Software) return new ChosenEngine(openSoftware(), null);
        if (choice == EngineChoice.Kvm)
        {
            IHypervisor asked = openKvm();
            KvmProbeResult known = Probe();
            return new ChosenEngine(WithSecond(asked, known), known.IsUsable ? null : $"Engine: kvm as you asked, but it is unfit ({known.Text}).");
        }
        KvmProbeResult result = Probe();
        if (!result.IsUsable) return new ChosenEngine(openSoftware(), $"Engine: software ({result.Text}).");
        try
        {
            return new ChosenEngine(WithSecond(openKvm(), result), $"Engine: kvm ({result.Text}).");
        }
        catch (KvmUnavailableException refused)
        {
            // The verdict is of an earlier run; the device is not what it was.
            return new ChosenEngine(openSoftware(), $"Engine: software ({refused.Reason}).");
        }
    }

    // Whatever a probe can prove, a guest can do something else.
    private HandoverHypervisor WithSecond(IHypervisor kvm, KvmProbeResult result) =>
        new(kvm, openSoftware, say, result.IsUsable ? null : SoftHypervisor.OfferCpu().Features);

    private KvmProbeResult Probe()
    {
        ProbeSignals known = signals();
        if (remembered.Find(known) is { } earlier) return earlier;
        KvmProbeResult result = probe(known);
        remembered.Keep(result);
        return result;
    }
}
