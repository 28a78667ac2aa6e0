using System.Collections.Immutable;

namespace Hutch.Model.Control;

/// <summary>A machine's memory balloon.</summary>
/// <param name="TargetBytes">What the guest is to give up.</param>
/// <param name="ActualBytes">What it has given up.</param>
/// <param name="Statistics">What it says of its memory; empty where it has said nothing.</param>
/// <param name="AgeSeconds">How old that is.</param>
public sealed record BalloonInfo(ulong TargetBytes, ulong ActualBytes, ImmutableArray<BalloonStatistic> Statistics, double AgeSeconds);

/// <summary>One of a guest's numbers about its memory (virtio 1.2 §5.5.6.4).</summary>
/// <param name="Name">What it counts.</param>
/// <param name="Value">Bytes where the name says so, else events since the guest started.</param>
public sealed record BalloonStatistic(string Name, ulong Value);
