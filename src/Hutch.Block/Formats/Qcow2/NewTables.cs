using System.Collections.Generic;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>L2 tables and refcount blocks whose clusters were taken and hold garbage or nothing so far: in memory they are zeros. Under the owner's lock.</summary>
internal sealed class NewTables
{
    private readonly Dictionary<long, bool> _needsZeroing = [];

    /// <summary>Whether the table at this offset is new.</summary>
    internal bool Contains(long offset) => _needsZeroing.Count != 0 && _needsZeroing.ContainsKey(offset);

    /// <summary>Adds a table; <paramref name="needsZeroing"/> unless the file reads as zeros there.</summary>
    internal void Add(long offset, bool needsZeroing) => _needsZeroing[offset] = needsZeroing;

    /// <summary>The table was given up again.</summary>
    internal void Remove(long offset) => _needsZeroing.Remove(offset);

    /// <summary>All that a commit must bring to disk.</summary>
    internal List<(long Offset, bool NeedsZeroing)> List()
    {
        List<(long, bool)> all = new(_needsZeroing.Count);
        foreach ((long offset, bool zero) in _needsZeroing) all.Add((offset, zero));
        return all;
    }
}
