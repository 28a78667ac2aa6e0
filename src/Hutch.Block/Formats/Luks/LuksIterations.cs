using System;
using System.Security.Cryptography;
using Hutch.Host.Time;

namespace Hutch.Block.Formats.Luks;

/// <summary>
/// Finds how many iterations of a key derivation take a given time here. Measured by the wall clock, several times of which the fastest counts, so that a
/// busy machine makes it neither fail nor weak; and never below what any processor of the last fifteen years does in that time.
/// </summary>
internal static class LuksIterations
{
    /// <summary>What an image is made with when nothing is said.</summary>
    internal const long DefaultMilliseconds = 2000;

    /// <summary>More than this is refused as an attack on the reader's time: minutes on any machine.</summary>
    internal const uint MaxAccepted = 200_000_000;

    private const int LeastPerMillisecond = 100, Least = 1000, Samples = 5;
    private const long SampleNanoseconds = 4_000_000;

    /// <summary>Iterations that take <paramref name="milliseconds"/> for a key of <paramref name="keyBytes"/>.</summary>
    internal static int Choose(HashAlgorithmName hash, int keyBytes, long milliseconds, IClock clock)
    {
        int sample = Least;
        while (Time(hash, keyBytes, sample, clock) < SampleNanoseconds && sample < Least << 10) sample *= 2;
        long fastest = long.MaxValue;
        for (int i = 0; i < Samples; i++) fastest = Math.Min(fastest, Time(hash, keyBytes, sample, clock));
        double measured = sample * 1e6 / Math.Max(1, fastest) * milliseconds;
        return (int)Math.Clamp(Math.Max(measured, (double)LeastPerMillisecond * milliseconds), Least, MaxAccepted);
    }

    private static long Time(HashAlgorithmName hash, int keyBytes, int iterations, IClock clock)
    {
        Span<byte> salt = stackalloc byte[LuksHeader.SaltBytes], key = stackalloc byte[keyBytes];
        salt.Clear();
        long start = clock.MonotonicNanoseconds;
        LuksHash.DeriveKey(hash, "calibration"u8, salt, iterations, key);
        return clock.MonotonicNanoseconds - start;
    }
}
