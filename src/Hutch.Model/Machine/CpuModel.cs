using System.Collections.Immutable;

namespace Hutch.Model.Machine;

/// <summary>A CPU model as the user names it: <c>MODEL[,+flag][,-flag]</c>.</summary>
/// <param name="Name">Model name, for example <c>max</c>.</param>
/// <param name="Added">Feature names switched on (Linux /proc/cpuinfo spelling).</param>
/// <param name="Removed">Feature names switched off.</param>
public sealed record CpuModel(string Name, ImmutableArray<string> Added, ImmutableArray<string> Removed)
{
    /// <summary>Everything the engine can give on this host.</summary>
    public static CpuModel Max { get; } = new("max", [], []);
}
