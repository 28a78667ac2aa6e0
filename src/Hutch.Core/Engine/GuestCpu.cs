using System.Collections.Immutable;

namespace Hutch.Core.Engine;

/// <summary>What CPU a guest sees: what a saved state needs of the engine that goes on with it.</summary>
/// <param name="Vendor">CPUID's vendor string, for example <c>AuthenticAMD</c>.</param>
/// <param name="Signature">Family, model and stepping: EAX of leaf 1.</param>
/// <param name="Features">Names of the features that CPUID shows.</param>
public sealed record GuestCpu(string Vendor, uint Signature, ImmutableArray<string> Features)
{
    /// <summary>
    /// Where the optional components of the XSAVE area are: <c>COMPONENT:OFFSET+BYTES</c>, with blanks between. Hosts differ in this, and a guest's kernel asks once.
    /// Empty: there are none, or a state of an older version does not say.
    /// </summary>
    public string SaveArea { get; init; } = "";
}
