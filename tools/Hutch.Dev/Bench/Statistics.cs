using System.Collections.Generic;
using System.Linq;

namespace Hutch.Dev.Bench;

/// <summary>What benchmarks say of several measurements.</summary>
internal static class Statistics
{
    /// <summary>The middle value, or the mean of the two in the middle. There is at least one.</summary>
    internal static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[sorted.Length / 2] + sorted[(sorted.Length - 1) / 2]) / 2;
    }
}
