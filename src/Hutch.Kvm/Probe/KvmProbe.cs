using System;
using Hutch.Host.Linux;

namespace Hutch.Kvm.Probe;

/// <summary>
/// Finds out what /dev/kvm is good for, in a few milliseconds: it is opened, asked, and made to execute the instructions that a stock kernel
/// needs, one by one, in ring 0 of a machine of its own.
/// </summary>
internal static class KvmProbe
{
    // A thousand times what it takes: a host may be busy.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Reaches the verdict. Throws nothing that the kernel could cause, and does not wait for ever.</summary>
    /// <param name="calls">The system calls.</param>
    /// <param name="signals">What is known beforehand.</param>
    /// <param name="patience">How long the proof may take.</param>
    internal static KvmProbeResult Run(IDeviceCalls calls, ProbeSignals signals, TimeSpan? patience = null)
    {
        TimeSpan most = patience ?? Patience;
        try
        {
            return new BoundedProof(KvmDevice.Open(calls), signals).Run(most)
                ?? new KvmProbeResult(KvmVerdict.Refused, signals) { Detail = $"it was asked to run a few instructions and did not come back within {most.TotalSeconds:0.##} s" };
        }
        catch (KvmUnavailableException missing)
        {
            return new KvmProbeResult(missing.Verdict, signals) { Detail = missing.Detail };
        }
    }
}
