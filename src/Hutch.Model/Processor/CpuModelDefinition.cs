using System.Collections.Immutable;

namespace Hutch.Model.Processor;

/// <summary>One cache of a CPU model. Lines have 64 bytes.</summary>
/// <param name="Bytes">Size.</param>
/// <param name="Ways">Associativity.</param>
public readonly record struct CpuCache(uint Bytes, uint Ways)
{
    /// <summary>Bytes of a line.</summary>
    public const uint LineBytes = 64;

    /// <summary>Number of sets.</summary>
    public uint Sets => Bytes / Ways / LineBytes;
}

/// <summary>What identifies a CPU, apart from its features.</summary>
/// <param name="Vendor">Vendor; <see cref="CpuVendor.Other"/> in a level of the psABI: the host's.</param>
/// <param name="Family">Family, with the extended family added.</param>
/// <param name="Model">Model, with the extended model.</param>
/// <param name="Stepping">Stepping.</param>
/// <param name="ModelId">The brand string, at most 48 characters; empty: no brand leaves.</param>
public sealed record CpuIdentity(CpuVendor Vendor, int Family, int Model, int Stepping, string ModelId)
{
    /// <summary>Signature of leaf 1, EAX (Intel SDM 2A, CPUID, figure 3-6).</summary>
    public uint Signature
    {
        get
        {
            uint family = (uint)(Family > 15 ? 15 | (Family - 15) << 12 : Family);
            return family << 8 | (uint)(Model & 0xf) << 4 | (uint)(Model >> 4) << 16 | (uint)Stepping;
        }
    }

    /// <summary>Family, model and stepping of a signature.</summary>
    public static (int Family, int Model, int Stepping) Decode(uint signature)
    {
        int family = (int)(signature >> 8) & 15, model = (int)(signature >> 4) & 15;
        if (family is 6 or 15) model |= (int)(signature >> 16 & 15) << 4;
        if (family == 15) family += (int)(signature >> 20) & 0xff;
        return (family, model, (int)signature & 15);
    }
}

/// <summary>A CPU model: one version of one name.</summary>
public sealed record CpuModelDefinition
{
    /// <summary>Full name, for example <c>Haswell-v4</c>; models with one version only have no suffix in other names.</summary>
    public required string Name { get; init; }

    /// <summary>Other names of the same definition: that of version 1, and historical ones such as <c>Haswell-noTSX-IBRS</c>.</summary>
    public required ImmutableArray<string> Aliases { get; init; }

    /// <summary>Vendor, signature and brand.</summary>
    public required CpuIdentity Identity { get; init; }

    /// <summary>Highest basic leaf of CPUID; raised where a feature needs it.</summary>
    public required uint Level { get; init; }

    /// <summary>Highest extended leaf; 0: none.</summary>
    public required uint ExtendedLevel { get; init; }

    /// <summary>First-level data and code cache, second and third level; empty: none are described.</summary>
    public required ImmutableArray<CpuCache> Caches { get; init; }

    /// <summary>Features that the model has.</summary>
    public required FeatureSet Features { get; init; }

    /// <summary>A level of the psABI: it has the host's vendor, and <see cref="For"/> says what it looks like there.</summary>
    public bool IsLevel => Identity.Vendor == CpuVendor.Other;

    /// <summary>The model on hosts of a vendor. Only a level differs: it looks like the plainest CPU of that vendor, so that it is the same on all hosts of it.</summary>
    public CpuModelDefinition For(CpuVendor host)
    {
        if (!IsLevel) return this;
        CpuModelDefinition plain = CpuModelCatalog.Find(host.IsAmd() ? CpuModelCatalog.PlainAmd : CpuModelCatalog.PlainIntel)!;
        CpuVendor vendor = host == CpuVendor.Other ? plain.Identity.Vendor : host;
        return this with
        {
            Identity = plain.Identity with { Vendor = vendor, ModelId = Identity.ModelId },
            Level = plain.Level,
            ExtendedLevel = plain.ExtendedLevel,
            Caches = plain.Caches,
        };
    }
}
