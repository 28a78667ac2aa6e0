using System;

namespace Hutch.Block.Filters;

/// <summary>Units that were let through and have not leaked away yet. A mutable struct: keep it in a field that is not readonly. Not thread-safe.</summary>
internal struct LeakyBucket
{
    private readonly ThrottleLimit _limit;

    // What leaks at the long rate, and what leaks at the burst rate, for bursts of several seconds.
    private double _level, _burstLevel;

    /// <summary>Makes an empty bucket.</summary>
    internal LeakyBucket(ThrottleLimit limit) => _limit = limit;

    /// <summary>Lets time pass.</summary>
    internal void Leak(double seconds)
    {
        _level = Math.Max(0, _level - (_limit.Rate * seconds));
        _burstLevel = Math.Max(0, _burstLevel - (_limit.BurstRate * seconds));
    }

    /// <summary>Seconds until a request may pass; 0 when it may now. A request of any size may pass a bucket that is not full: what it holds too much delays the next.</summary>
    internal readonly double Wait()
    {
        if (_limit.Rate == 0) return 0;
        // Without room for a little at once every second request would wait.
        double room = _limit.BurstRate == 0 ? _limit.Rate / 10.0 : (double)_limit.BurstRate * _limit.BurstSeconds;
        double wait = Math.Max(0, (_level - room) / _limit.Rate);
        if (_limit.BurstRate == 0 || _limit.BurstSeconds <= 1) return wait;
        return Math.Max(wait, (_burstLevel - (_limit.BurstRate / 10.0)) / _limit.BurstRate);
    }

    /// <summary>Takes a request's units in.</summary>
    internal void Add(double units)
    {
        if (_limit.Rate == 0) return;
        _level += units;
        _burstLevel += units;
    }
}
