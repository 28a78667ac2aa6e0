using System;
using System.Collections.Generic;
using System.Collections.Immutable;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Which kinds of metadata are protected: QEMU's overlap-check, a template and a switch for each kind.</summary>
/// <param name="Bits">A bit for each kind, by its number.</param>
internal readonly record struct OverlapKinds(int Bits)
{
    private const string Option = "overlap-check", Template = Option + ".template";

    // In the order of the enumeration.
    private static readonly ImmutableArray<string> Names =
        ["main-header", "active-l1", "active-l2", "refcount-table", "refcount-block", "snapshot-table", "inactive-l1", "bitmap-directory", "inactive-l2"];

    /// <summary>What costs nothing but memory that is taken anyway: all but <see cref="OverlapKind.InactiveL2"/>, for which snapshots must be read.</summary>
    internal static OverlapKinds Cached { get; } = Of(OverlapKind.Header, OverlapKind.ActiveL1, OverlapKind.ActiveL2, OverlapKind.RefcountTable, OverlapKind.RefcountBlock,
        OverlapKind.SnapshotTable, OverlapKind.InactiveL1, OverlapKind.BitmapDirectory, OverlapKind.BitmapData);

    private static OverlapKinds Constant { get; } = Of(OverlapKind.Header, OverlapKind.ActiveL1, OverlapKind.RefcountTable, OverlapKind.SnapshotTable, OverlapKind.BitmapDirectory);

    /// <summary>Whether a kind is protected.</summary>
    internal bool Has(OverlapKind kind) => (Bits & (1 << (int)kind)) != 0;

    /// <summary>Reads the options. Throws <see cref="ImageException"/>.</summary>
    internal static OverlapKinds Parse(IReadOnlyDictionary<string, string> options)
    {
        string? whole = options.GetValueOrDefault(Option), template = options.GetValueOrDefault(Template);
        if (whole is not null && template is not null && whole != template)
            throw new ImageException($"Conflicting values for qcow2 options '{Option}' ('{whole}') and '{Template}' ('{template}')");
        int bits = (whole ?? template) switch
        {
            null or "cached" => Cached.Bits,
            "none" => 0,
            "constant" => Constant.Bits,
            "all" => Cached.Bits | Of(OverlapKind.InactiveL2).Bits,
            string other => throw new ImageException($"Unsupported value '{other}' for qcow2 option '{Option}'. Allowed are any of the following: none, constant, cached, all"),
        };
        for (int i = 0; i < Names.Length; i++)
        {
            string name = $"{Option}.{Names[i]}";
            if (!options.TryGetValue(name, out string? value)) continue;
            bits = Options.OptionText.ReadSwitch(name, value) ? bits | (1 << i) : bits & ~(1 << i);
        }
        return new(bits);
    }

    private static OverlapKinds Of(params ReadOnlySpan<OverlapKind> kinds)
    {
        int bits = 0;
        foreach (OverlapKind kind in kinds) bits |= 1 << (int)kind;
        return new(bits);
    }
}
