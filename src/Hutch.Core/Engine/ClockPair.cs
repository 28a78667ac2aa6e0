using System;

namespace Hutch.Core.Engine;

/// <summary>The guest's time stamp counter and the host's wall clock at one moment.</summary>
/// <param name="Tsc">The counter of the first vCPU.</param>
/// <param name="TscKhz">Its frequency in kHz, at least 1.</param>
/// <param name="Wall">The host's time.</param>
public readonly record struct ClockPair(ulong Tsc, ulong TscKhz, DateTimeOffset Wall);
