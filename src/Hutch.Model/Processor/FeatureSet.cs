using System;
using System.Collections.Generic;
using System.Linq;
using System.Numerics;

namespace Hutch.Model.Processor;

/// <summary>A set of feature bits. Immutable; any thread.</summary>
public sealed class FeatureSet : IEquatable<FeatureSet>
{
    private readonly uint[] _words;

    private FeatureSet(uint[] words) => _words = words;

    /// <summary>No feature.</summary>
    public static FeatureSet Empty { get; } = new(new uint[FeatureWords.All.Length]);

    /// <summary>Whether a feature is in the set.</summary>
    public bool this[CpuFeature feature] => (_words[(int)feature >> 5] >> ((int)feature & 31) & 1) != 0;

    /// <summary>No feature is in the set.</summary>
    public bool IsEmpty => _words.All(word => word == 0);

    /// <summary>Number of features.</summary>
    public int Count => _words.Sum(BitOperations.PopCount);

    /// <summary>The features in the order of their words.</summary>
    public IEnumerable<CpuFeature> Features
    {
        get
        {
            for (int word = 0; word < _words.Length; word++)
                for (uint bits = _words[word]; bits != 0; bits &= bits - 1) yield return (CpuFeature)(word << 5 | BitOperations.TrailingZeroCount(bits));
        }
    }

    /// <summary>A set of some features.</summary>
    public static FeatureSet Of(params ReadOnlySpan<CpuFeature> features)
    {
        uint[] words = new uint[FeatureWords.All.Length];
        foreach (CpuFeature feature in features) words[(int)feature >> 5] |= 1u << ((int)feature & 31);
        return new FeatureSet(words);
    }

    /// <summary>A set from its 32-bit words, in the order of <see cref="FeatureWords.All"/>.</summary>
    public static FeatureSet FromWords(Func<FeatureWord, uint> word) => new([.. FeatureWords.All.Select(word)]);

    /// <summary>The set as 32 bits of one word.</summary>
    /// <param name="index">Place in <see cref="FeatureWords.All"/>.</param>
    public uint Word(int index) => _words[index];

    /// <summary>Features of either set.</summary>
    public FeatureSet Union(FeatureSet other) => Combine(other, (a, b) => a | b);

    /// <summary>Features of both sets.</summary>
    public FeatureSet Intersect(FeatureSet other) => Combine(other, (a, b) => a & b);

    /// <summary>Features of this set that the other has not.</summary>
    public FeatureSet Except(FeatureSet other) => Combine(other, (a, b) => a & ~b);

    /// <inheritdoc/>
    public bool Equals(FeatureSet? other) => other is not null && _words.AsSpan().SequenceEqual(other._words);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as FeatureSet);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (uint word in _words) hash.Add(word);
        return hash.ToHashCode();
    }

    /// <summary>The features' names, separated by blanks.</summary>
    public override string ToString() => string.Join(' ', Features.Select(FeatureNames.NameOf));

    private FeatureSet Combine(FeatureSet other, Func<uint, uint, uint> combine)
    {
        uint[] words = new uint[_words.Length];
        for (int i = 0; i < words.Length; i++) words[i] = combine(_words[i], other._words[i]);
        return new FeatureSet(words);
    }
}
