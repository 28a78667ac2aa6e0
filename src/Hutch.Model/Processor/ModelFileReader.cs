using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Globalization;
using System.Linq;

namespace Hutch.Model.Processor;

/// <summary>Reads Models.txt, which says in its head how it is written.</summary>
internal sealed class ModelFileReader
{
    private readonly Dictionary<string, ImmutableArray<CpuCache>> _caches = [];
    private readonly List<CpuModelDefinition> _models = [];

    /// <summary>The models in the order of the file. Throws <see cref="FormatException"/>.</summary>
    public static IReadOnlyList<CpuModelDefinition> Read(IEnumerable<string> lines)
    {
        var reader = new ModelFileReader();
        foreach (string line in lines) reader.ReadLine(line);
        return reader._models;
    }

    private void ReadLine(string line)
    {
        int quote = line.IndexOf('"');
        string? text = quote < 0 ? null : line[(quote + 1)..line.LastIndexOf('"')];
        string[] parts = (quote < 0 ? line : line[..quote]).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        switch (parts[0])
        {
            case "caches": _caches.Add(parts[1], [.. parts.Skip(2).Where(part => part != "-").Select(Cache)]); break;
            case "model": _models.Add(Model(parts, text!)); break;
            case "version": _models.Add(Version(_models[^1], parts[1], parts[2], text)); break;
            default:
                foreach (string part in parts) _models[^1] = Change(_models[^1], part);
                break;
        }
    }

    private CpuModelDefinition Model(string[] parts, string text)
    {
        CpuVendor vendor = parts[2] switch { "intel" => CpuVendor.Intel, "amd" => CpuVendor.Amd, "hygon" => CpuVendor.Hygon, _ => CpuVendor.Other };
        return new CpuModelDefinition
        {
            // The levels of the psABI have a number of their own in their names.
            Name = vendor == CpuVendor.Other ? parts[1] : parts[1] + "-v1",
            Aliases = vendor == CpuVendor.Other ? [] : [parts[1]],
            Identity = new CpuIdentity(vendor, Number(parts[3]), Number(parts[4]), Number(parts[5]), text),
            Level = uint.Parse(parts[6], NumberStyles.HexNumber, CultureInfo.InvariantCulture),
            ExtendedLevel = uint.Parse(parts[7], NumberStyles.HexNumber, CultureInfo.InvariantCulture),
            Caches = _caches[parts[8]],
            Features = FeatureSet.Empty,
        };
    }

    private static CpuModelDefinition Version(CpuModelDefinition before, string number, string alias, string? text) => before with
    {
        Name = $"{before.Name[..before.Name.LastIndexOf('-')]}-v{number}",
        Aliases = alias == "-" ? [] : [alias],
        Identity = before.Identity with { ModelId = text ?? before.Identity.ModelId },
    };

    private static CpuModelDefinition Change(CpuModelDefinition model, string part)
    {
        if (part.StartsWith("stepping=", StringComparison.Ordinal)) return model with { Identity = model.Identity with { Stepping = Number(part[9..]) } };
        FeatureSet named = FeatureNames.Parse(part.TrimStart('+', '-'));
        return part[0] switch
        {
            '-' => model with { Features = model.Features.Except(named) },
            _ => model with { Features = model.Features.Union(named) },
        };
    }

    private static CpuCache Cache(string text)
    {
        string[] parts = text.Split('/');
        uint unit = parts[0][^1] == 'M' ? 1u << 20 : 1u << 10;
        return new CpuCache((uint)Number(parts[0][..^1]) * unit, (uint)Number(parts[1]));
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
