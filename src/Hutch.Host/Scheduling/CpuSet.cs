using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace Hutch.Host.Scheduling;

/// <summary>A set of numbered host CPUs or NUMA nodes, written as the kernel writes it: <c>0-3,8</c>. Immutable.</summary>
public sealed class CpuSet : IEquatable<CpuSet>
{
    /// <summary>Numbers are below this (CONFIG_NR_CPUS of every distribution's kernel).</summary>
    public const int Limit = 8192;

    private readonly SortedSet<int> _numbers;

    private CpuSet(SortedSet<int> numbers) => _numbers = numbers;

    /// <summary>The set of these numbers, each in 0..<see cref="Limit"/>-1.</summary>
    public CpuSet(params IEnumerable<int> numbers) : this(new SortedSet<int>(numbers)) { }

    /// <summary>How many there are.</summary>
    public int Count => _numbers.Count;

    /// <summary>The numbers, lowest first.</summary>
    public IEnumerable<int> Numbers => _numbers;

    /// <summary>Reads <c>0-3,8</c>. Null when it is no such list, or names nothing.</summary>
    public static CpuSet? Parse(string text)
    {
        SortedSet<int> numbers = [];
        foreach (string part in text.Split(','))
        {
            string[] ends = part.Split('-');
            if (ends.Length > 2 || !TryNumber(ends[0], out int first) || !TryNumber(ends[^1], out int last) || last < first) return null;
            for (int number = first; number <= last; number++) numbers.Add(number);
        }
        return new CpuSet(numbers);
    }

    /// <summary>The set without the numbers of another.</summary>
    public CpuSet Except(CpuSet other) => new(_numbers.Except(other._numbers));

    /// <summary>The kernel's bit mask, 64 numbers in a word.</summary>
    internal ulong[] ToMask()
    {
        ulong[] mask = new ulong[(_numbers.Max >> 6) + 1];
        foreach (int number in _numbers) mask[number >> 6] |= 1UL << (number & 63);
        return mask;
    }

    /// <summary>The set of a bit mask.</summary>
    internal static CpuSet FromMask(ReadOnlySpan<ulong> mask)
    {
        SortedSet<int> numbers = [];
        for (int number = 0; number < mask.Length * 64; number++)
            if ((mask[number >> 6] >> (number & 63) & 1) != 0) numbers.Add(number);
        return new CpuSet(numbers);
    }

    /// <inheritdoc/>
    public bool Equals(CpuSet? other) => other is not null && _numbers.SetEquals(other._numbers);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as CpuSet);

    /// <inheritdoc/>
    public override int GetHashCode() => _numbers.Aggregate(0, HashCode.Combine);

    /// <summary>The kernel's list, for example <c>0-3,8</c>.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        int[] numbers = [.. _numbers];
        for (int start = 0, end; start < numbers.Length; start = end + 1)
        {
            for (end = start; end + 1 < numbers.Length && numbers[end + 1] == numbers[end] + 1; end++) { }
            if (text.Length > 0) text.Append(',');
            text.Append(CultureInfo.InvariantCulture, $"{numbers[start]}");
            if (end > start) text.Append(CultureInfo.InvariantCulture, $"-{numbers[end]}");
        }
        return text.ToString();
    }

    private static bool TryNumber(string text, out int number) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number < Limit;
}
