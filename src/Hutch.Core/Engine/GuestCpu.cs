using System.Collections.Immutable;

namespace Hutch.Core.Engine;

/// <summary>What CPU a guest sees: what a saved state needs of the engine that goes on with it.</summary>
/// <param name="Vendor">CPUID's vendor string, for example <c>AuthenticAMD</c>.</param>
/// <param name="Signature">Family, model and stepping: EAX of leaf 1.</param>
/// <param name="Features">Names of the features that CPUID shows.</param>
public sealed record GuestCpu(string Vendor, uint Signature, ImmutableArray<string> Features);
