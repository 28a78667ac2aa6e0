using System;
using System.Collections.Immutable;

namespace Hutch.Core.Engine;

/// <summary>The guest's clocks at one moment, the same for every engine. While a machine is paused or saved none of them goes on.</summary>
/// <param name="Nanoseconds">kvm-clock: nanoseconds since the machine began.</param>
/// <param name="TscKhz">Frequency of the guest's TSC in kHz.</param>
/// <param name="Tsc">The TSC of each vCPU, IA32_TSC_ADJUST included.</param>
public sealed record MachineClock(ulong Nanoseconds, ulong TscKhz, ImmutableArray<ulong> Tsc)
{
    // A part of this many: more than two measurements of one host differ by, less than a guest's clock could hide.
    private const ulong MostDeviation = 500;

    /// <summary>Whether a TSC of <paramref name="khz"/> may be that of the host whose own was measured as <paramref name="own"/>.</summary>
    public static bool IsFrequencyOf(ulong own, ulong khz) => Math.Max(khz, own) - Math.Min(khz, own) <= own / MostDeviation;
}
