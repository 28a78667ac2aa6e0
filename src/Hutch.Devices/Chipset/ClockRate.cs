namespace Hutch.Devices.Chipset;

/// <summary>Converts between nanoseconds and the ticks of a clock of a fixed frequency, without overflow for centuries of either.</summary>
/// <param name="Hertz">Frequency in Hz, 1 to 1,000,000,000.</param>
internal readonly record struct ClockRate(uint Hertz)
{
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>Whole ticks in <paramref name="nanoseconds"/> (not negative).</summary>
    public long TicksAt(long nanoseconds)
    {
        long seconds = nanoseconds / NanosecondsPerSecond, rest = nanoseconds % NanosecondsPerSecond;
        return seconds * Hertz + rest * Hertz / NanosecondsPerSecond;
    }

    /// <summary>The first nanosecond at which <see cref="TicksAt"/> gives at least <paramref name="ticks"/> (not negative).</summary>
    public long NanosecondsAt(long ticks)
    {
        long seconds = ticks / Hertz, rest = ticks % Hertz;
        return seconds * NanosecondsPerSecond + (rest * NanosecondsPerSecond + Hertz - 1) / Hertz;
    }
}
