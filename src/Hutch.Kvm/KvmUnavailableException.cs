using System;
using Hutch.Kvm.Probe;

namespace Hutch.Kvm;

/// <summary>/dev/kvm cannot be used. The message is a sentence for the user: what is missing and what helps.</summary>
public sealed class KvmUnavailableException : Exception
{
    /// <summary>It cannot be used for what is asked.</summary>
    /// <param name="message">A sentence with the mend.</param>
    public KvmUnavailableException(string message) : base(message) => Reason = message.TrimEnd('.');

    /// <summary>It cannot be used at all.</summary>
    internal KvmUnavailableException(KvmVerdict verdict, string detail) : this(new KvmProbeResult(verdict, ProbeSignals.None) { Detail = detail }) { }

    private KvmUnavailableException(KvmProbeResult result)
        : base($"KVM cannot be used: {result.Text}; {(result.Mend is null ? "" : $"{result.Mend}, or ")}use --engine software.") =>
        (Verdict, Detail, Reason) = (result.Verdict, result.Detail, result.Text);

    /// <summary>What is missing, without capital, mend and full stop.</summary>
    public string Reason { get; }

    /// <summary>What it is good for.</summary>
    internal KvmVerdict Verdict { get; } = KvmVerdict.Refused;

    /// <summary>What happened with the call that failed.</summary>
    internal string? Detail { get; }
}
