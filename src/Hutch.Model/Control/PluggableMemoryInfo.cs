namespace Hutch.Model.Control;

/// <summary>Memory that a guest has besides what it started with.</summary>
/// <param name="RequestedBytes">What the guest is to have of it.</param>
/// <param name="PluggedBytes">What it has.</param>
/// <param name="MostBytes">What it can have.</param>
public sealed record PluggableMemoryInfo(ulong RequestedBytes, ulong PluggedBytes, ulong MostBytes);
