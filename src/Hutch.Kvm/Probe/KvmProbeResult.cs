using System.Collections.Immutable;

namespace Hutch.Kvm.Probe;

/// <summary>What the probe found.</summary>
/// <param name="Verdict">What KVM is good for.</param>
/// <param name="Signals">What was known beforehand.</param>
internal sealed record KvmProbeResult(KvmVerdict Verdict, ProbeSignals Signals)
{
    /// <summary>Instructions that ran as they should.</summary>
    internal ImmutableArray<string> Ran { get; init; } = [];

    /// <summary>Instructions that did not.</summary>
    internal ImmutableArray<string> Failed { get; init; } = [];

    /// <summary>What happened with the first of them, or with the call that failed; null when nothing did.</summary>
    internal string? Detail { get; init; }

    /// <summary>A stock kernel can run on it.</summary>
    internal bool IsUsable => Verdict == KvmVerdict.Hardware;

    /// <summary>The verdict in one word, for programs.</summary>
    internal string Word => Verdict switch
    {
        KvmVerdict.Hardware => "hardware",
        KvmVerdict.Pvm => "pvm",
        KvmVerdict.Incomplete => "incomplete",
        KvmVerdict.NoDevice => "no-device",
        KvmVerdict.NoRights => "no-rights",
        KvmVerdict.TooOld => "too-old",
        KvmVerdict.Busy => "busy",
        _ => "refused",
    };

    /// <summary>The verdict for people: no capital, no full stop.</summary>
    internal string Text => Verdict switch
    {
        KvmVerdict.Hardware => $"hardware KVM{(Signals.Module is null ? "" : $" by {Signals.Module}")}",
        KvmVerdict.Pvm => $"PVM, cannot run a stock kernel: it interprets ring 0 and fails at {string.Join(", ", Failed)}",
        KvmVerdict.Incomplete => $"/dev/kvm cannot run a stock kernel: it fails at {string.Join(", ", Failed)}",
        KvmVerdict.NoDevice => "there is no /dev/kvm",
        KvmVerdict.NoRights => "/dev/kvm is there, but not for this user",
        KvmVerdict.TooOld => $"/dev/kvm is too old: {Detail}",
        KvmVerdict.Busy => "/dev/kvm is busy: another hypervisor holds the CPU's virtualisation",
        _ => $"/dev/kvm does not work: {Detail?.TrimEnd('.')}",
    };

    /// <summary>What helps, or null.</summary>
    internal string? Mend => Verdict switch
    {
        KvmVerdict.Pvm => "use a host with vmx or svm for more speed; guests run on the software engine meanwhile",
        KvmVerdict.NoDevice => "load the module kvm_intel or kvm_amd, and switch virtualisation on in the firmware's set-up",
        KvmVerdict.NoRights => "join the group of /dev/kvm (usermod -aG kvm USER as root, then log in again)",
        KvmVerdict.TooOld => "use a newer kernel",
        KvmVerdict.Busy => "end the other hypervisor (VirtualBox, VMware) or unload its module",
        _ => null,
    };
}
