using System;
using System.Collections.Frozen;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;

namespace Hutch.Model.Processor;

/// <summary>The CPU models. Read from Models.txt when first needed. Any thread. What an engine can give of them: <see cref="CpuResolver"/>.</summary>
public static class CpuModelCatalog
{
    /// <summary>The model with everything that the engine gives unasked.</summary>
    public const string Max = "max";

    /// <summary>Another name of <see cref="Max"/>.</summary>
    public const string Host = "host";

    /// <summary>What the levels of the psABI look like on AMD's hosts, and on the others.</summary>
    internal const string PlainAmd = "qemu64", PlainIntel = "kvm64";

    private static readonly Lazy<ImmutableArray<CpuModelDefinition>> Read = new(() => [.. ModelFileReader.Read(DataFile.Lines("Models.txt"))]);
    private static readonly Lazy<FrozenDictionary<string, CpuModelDefinition>> ByName = new(Index);

    /// <summary>Every version of every named model, oldest first in a family; <c>max</c> and <c>host</c> are not among them.</summary>
    public static ImmutableArray<CpuModelDefinition> Models => Read.Value;

    /// <summary>A model by full name or alias, in any case; null: there is none.</summary>
    public static CpuModelDefinition? Find(string name) => ByName.Value.GetValueOrDefault(name);

    /// <summary>The known name that is most like a mistyped one.</summary>
    public static string Nearest(string name) => Spelling.Nearest(name, ByName.Value.Keys.Append(Max).Append(Host).Order(StringComparer.Ordinal));

    private static FrozenDictionary<string, CpuModelDefinition> Index() =>
        Models.SelectMany(model => model.Aliases.Prepend(model.Name).Select(name => KeyValuePair.Create(name, model))).ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);
}
