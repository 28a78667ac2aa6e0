using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;

namespace Hutch.Model.Processor;

/// <summary>
/// Names of feature bits. Users may write QEMU's and libvirt's name or /proc/cpuinfo's, with '-', '_' and '.' as they like. Read from Features.txt when first
/// needed. Any thread.
/// </summary>
public static class FeatureNames
{
    // Names that QEMU, libvirt and older configurations use besides.
    private static readonly (string Other, string Name)[] OtherNames =
        [("sse3", "pni"), ("pclmuldq", "pclmulqdq"), ("xd", "nx"), ("i64", "lm"), ("ffxsr", "fxsr-opt"), ("autoibrs", "auto-ibrs"), ("nonstop-tsc", "invtsc")];

    private static readonly Lazy<Table> Names = new(Read);

    /// <summary>Every feature that has a name.</summary>
    public static IEnumerable<CpuFeature> All => Names.Value.Names.Keys;

    /// <summary>As a set.</summary>
    public static FeatureSet Known => Names.Value.Known;

    /// <summary>The feature of a name; null: there is none.</summary>
    public static CpuFeature? Find(string name) => Names.Value.Features.TryGetValue(Plain(name), out CpuFeature feature) ? feature : null;

    /// <summary>QEMU's and libvirt's name; for a bit without a name, where it is.</summary>
    public static string NameOf(CpuFeature feature) =>
        Names.Value.Names.TryGetValue(feature, out string? name) ? name : $"{FeatureWords.All[(int)feature >> 5]}.{(int)feature & 31}";

    /// <summary>What Linux's /proc/cpuinfo shows for the bit; null: nothing.</summary>
    public static string? FlagOf(CpuFeature feature) => Names.Value.Flags.GetValueOrDefault(feature);

    /// <summary>The features of a list of names separated by blanks. Throws <see cref="FormatException"/> for a name that does not exist.</summary>
    public static FeatureSet Parse(string names)
    {
        List<CpuFeature> features = [];
        foreach (string name in names.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            features.Add(Find(name) ?? throw new FormatException($"'{name}' is no CPU feature."));
        return FeatureSet.Of([.. features]);
    }

    /// <summary>The known name that is most like a mistyped one.</summary>
    public static string Nearest(string name) => Spelling.Nearest(Plain(name), Names.Value.Names.Values);

    private static string Plain(string name) => name.Replace('_', '-').Replace('.', '-');

    private static Table Read()
    {
        var table = new Table([], [], []);
        int word = -1;
        foreach (string line in DataFile.Lines("Features.txt"))
        {
            string[] parts = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (line[0] != ' ') word = FeatureWords.All.Select(w => w.ToString()).ToList().IndexOf(parts[0]);
            foreach (string part in line[0] == ' ' ? parts : parts[1..]) Add(table, word, part);
        }
        foreach ((string other, string name) in OtherNames) table.Features[other] = table.Features[name];
        table.Known = FeatureSet.Of([.. table.Names.Keys]);
        return table;
    }

    // BIT:NAME[=[FLAG]]
    private static void Add(Table table, int word, string part)
    {
        int colon = part.IndexOf(':'), equals = part.IndexOf('=');
        string name = equals < 0 ? part[(colon + 1)..] : part[(colon + 1)..equals], flag = equals < 0 ? name : part[(equals + 1)..];
        var feature = (CpuFeature)(word << 5 | int.Parse(part.AsSpan(0, colon), CultureInfo.InvariantCulture));
        table.Names.Add(feature, name);
        table.Features.Add(Plain(name), feature);
        if (flag.Length == 0) return;
        table.Flags.Add(feature, flag);
        table.Features.TryAdd(Plain(flag), feature);
    }

    private sealed record Table(Dictionary<CpuFeature, string> Names, Dictionary<CpuFeature, string> Flags, Dictionary<string, CpuFeature> Features)
    {
        public FeatureSet Known { get; set; } = FeatureSet.Empty;
    }
}
