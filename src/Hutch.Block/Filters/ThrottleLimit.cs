namespace Hutch.Block.Filters;

/// <summary>One limit of a <see cref="ThrottleGroup"/>, in units (bytes or requests) a second; 0 is no limit.</summary>
/// <param name="Rate">What is allowed over a long time.</param>
/// <param name="BurstRate">What is allowed for <paramref name="BurstSeconds"/>, at least the rate; 0: a tenth of a second's worth may come at once.</param>
/// <param name="BurstSeconds">How long a burst may last, at least 1.</param>
internal readonly record struct ThrottleLimit(long Rate, long BurstRate = 0, int BurstSeconds = 1);

/// <summary>The limits of a group, as QEMU's throttle has them.</summary>
internal sealed record ThrottleLimits
{
    /// <summary>Bytes of reads and writes together.</summary>
    internal ThrottleLimit BytesTotal { get; init; }

    /// <summary>Bytes of reads.</summary>
    internal ThrottleLimit BytesRead { get; init; }

    /// <summary>Bytes of writes, zeroes and discards.</summary>
    internal ThrottleLimit BytesWrite { get; init; }

    /// <summary>Requests of all kinds together.</summary>
    internal ThrottleLimit RequestsTotal { get; init; }

    /// <summary>Reads.</summary>
    internal ThrottleLimit RequestsRead { get; init; }

    /// <summary>Writes, zeroes and discards.</summary>
    internal ThrottleLimit RequestsWrite { get; init; }

    /// <summary>A request longer than this counts as several; 0: every request is one.</summary>
    internal long RequestSizeBytes { get; init; }
}
