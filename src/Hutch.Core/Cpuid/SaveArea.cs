using System.Collections.Generic;
using System.Linq;
using Hutch.Model.Processor;

namespace Hutch.Core.Cpuid;

/// <summary>The XSAVE area (Intel SDM 1 §13.2, §13.4): which components a guest may enable and where they are.</summary>
internal sealed class SaveArea
{
    private const uint LegacyAndHeaderBytes = 576;

    // Components and the feature that each belongs to.
    private static readonly (int Component, CpuFeature Feature)[] Optional =
    [
        (2, CpuFeature.Avx), (3, CpuFeature.Mpx), (4, CpuFeature.Mpx), (5, CpuFeature.Avx512f), (6, CpuFeature.Avx512f), (7, CpuFeature.Avx512f),
        (9, CpuFeature.Pku), (17, CpuFeature.AmxTile), (18, CpuFeature.AmxTile),
    ];

    private readonly bool _exists;
    private readonly Dictionary<int, CpuidRegisters> _components = [];

    /// <param name="features">What the guest is offered.</param>
    /// <param name="engine">Has the sizes and offsets of the components, which are the host CPU's.</param>
    public SaveArea(FeatureSet features, HostCpuid engine)
    {
        _exists = features[CpuFeature.Xsave];
        Components = 3;
        if (!_exists) return;
        foreach ((int component, CpuFeature feature) in Optional)
        {
            if (!features[feature]) continue;
            Components |= 1ul << component;
            _components[component] = engine(0xd, (uint)component);
        }
    }

    /// <summary>XCR0 bits that exist: x87 and SSE always.</summary>
    public ulong Components { get; }

    /// <summary>Where the optional components are, as <see cref="Engine.GuestCpu.SaveArea"/> has it.</summary>
    public string Layout => string.Join(' ', _components.OrderBy(component => component.Key).Select(component => $"{component.Key}:{component.Value.Ebx}+{component.Value.Eax}"));

    /// <summary>Bytes of the standard-format area for some XCR0.</summary>
    public uint Bytes(ulong xcr0)
    {
        uint bytes = LegacyAndHeaderBytes;
        foreach ((int component, CpuidRegisters place) in _components)
            if ((xcr0 >> component & 1) != 0 && place.Ebx + place.Eax > bytes) bytes = place.Ebx + place.Eax;
        return bytes;
    }

    /// <summary>Leaf 0xd. Sizes are for all of XCR0; in subleaves 0 and 1 the engine replaces those that depend on its value.</summary>
    public CpuidRegisters Leaf(uint subleaf)
    {
        if (!_exists) return default;
        uint bytes = Bytes(Components);
        return subleaf switch
        {
            0 => new CpuidRegisters((uint)Components, bytes, bytes, (uint)(Components >> 32)),
            1 => new CpuidRegisters(0, bytes, 0, 0),
            _ => _components.GetValueOrDefault((int)subleaf),
        };
    }
}
