using System.Collections.Immutable;

namespace Hutch.Model.Domains;

/// <summary>Clocks of a domain: <c>clock</c>.</summary>
public sealed record DomainClock
{
    /// <summary>What the real-time clock has at the start: <c>utc</c>, <c>localtime</c>, <c>timezone</c>, <c>variable</c>, <c>absolute</c>.</summary>
    public string Offset { get; init; } = "utc";

    /// <summary>Seconds beside the basis, or <c>reset</c>.</summary>
    public string? Adjustment { get; init; }

    /// <summary>Of <c>variable</c>: <c>utc</c> or <c>localtime</c>.</summary>
    public string? Basis { get; init; }

    /// <summary>Of <c>timezone</c>.</summary>
    public string? TimeZone { get; init; }

    /// <summary>Of <c>absolute</c>: seconds since 1970.</summary>
    public ulong? Start { get; init; }

    /// <summary>Timers.</summary>
    public ImmutableArray<DomainTimer> Timers { get; init; } = [];
}

/// <summary>A timer of a machine.</summary>
public sealed record DomainTimer
{
    /// <summary><c>rtc</c>, <c>pit</c>, <c>hpet</c>, <c>kvmclock</c>, <c>hypervclock</c>, <c>tsc</c>, <c>platform</c>, <c>armvtimer</c>.</summary>
    public string Name { get; init; } = "";

    /// <summary>The machine has it; null: not said.</summary>
    public bool? Present { get; init; }

    /// <summary>What becomes of ticks that were missed: <c>delay</c>, <c>catchup</c>, <c>merge</c>, <c>discard</c>.</summary>
    public string? TickPolicy { get; init; }

    /// <summary><c>boot</c>, <c>guest</c>, <c>wall</c>, <c>realtime</c>.</summary>
    public string? Track { get; init; }

    /// <summary>Of <c>tsc</c>, in hertz.</summary>
    public ulong? FrequencyHz { get; init; }

    /// <summary>Of <c>tsc</c>: <c>auto</c>, <c>native</c>, <c>emulate</c>, <c>paravirt</c>, <c>smpsafe</c>.</summary>
    public string? Mode { get; init; }

    /// <summary>Elements that are not modelled.</summary>
    public ImmutableArray<string> Kept { get; init; } = [];
}
