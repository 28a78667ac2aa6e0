using System;
using System.Collections.Generic;
using Hutch.Block.Formats;

namespace Hutch.Block.Options;

/// <summary>
/// Options of a node and the nodes below it, by dotted names (<c>file.filename</c>). Whoever understands an option takes it out; what is left at the end
/// nobody understood.
/// </summary>
public sealed class OptionSet
{
    private readonly Dictionary<string, string> _options;

    /// <summary>Makes an empty set.</summary>
    public OptionSet() => _options = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Makes a set with a copy of these.</summary>
    public OptionSet(IEnumerable<KeyValuePair<string, string>> options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach ((string name, string value) in options) _options[name] = value;
    }

    /// <summary>Nothing is left.</summary>
    public bool IsEmpty => _options.Count == 0;

    /// <summary>What is left.</summary>
    public IReadOnlyDictionary<string, string> Rest => _options;

    /// <summary>The option's value; null where it is not set. It stays.</summary>
    public string? Peek(string name) => _options.GetValueOrDefault(name);

    /// <summary>Takes an option out; null where it is not set.</summary>
    public string? Take(string name) => _options.Remove(name, out string? value) ? value : null;

    /// <summary>Takes a switch out. Throws <see cref="ImageException"/> for a value that is neither on nor off.</summary>
    public bool? TakeSwitch(string name) => Take(name) is string value ? OptionText.ReadSwitch(name, value) : null;

    /// <summary>Takes a size out. Throws <see cref="ImageException"/> for what is none.</summary>
    public long? TakeSize(string name)
    {
        if (Take(name) is not string value) return null;
        ulong bytes = OptionText.ReadSize(name, value);
        return bytes <= long.MaxValue ? (long)bytes : throw new ImageException($"Value '{value}' is out of range for parameter '{name}'");
    }

    /// <summary>Takes a number out. Throws <see cref="ImageException"/> for what is none.</summary>
    public long? TakeNumber(string name) => Take(name) is string value ? checked((long)Math.Min(long.MaxValue, OptionText.ReadNumber(name, value))) : null;

    /// <summary>Takes all options of the child <paramref name="name"/> out, without its name and the dot. Empty where there are none.</summary>
    public OptionSet TakeChild(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        OptionSet child = new();
        string prefix = name + ".";
        foreach ((string key, string value) in _options)
            if (key.StartsWith(prefix, StringComparison.Ordinal)) child._options[key[prefix.Length..]] = value;
        foreach (string key in child._options.Keys) _options.Remove(prefix + key);
        return child;
    }

    /// <summary>Sets an option.</summary>
    public void Set(string name, string value) => _options[name] = value;

    /// <summary>Adds those that are not set.</summary>
    public void AddMissing(OptionSet others)
    {
        ArgumentNullException.ThrowIfNull(others);
        foreach ((string name, string value) in others._options) _options.TryAdd(name, value);
    }
}
