using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using Hutch.Core.Engine;
using Hutch.Model.Machine;
using Hutch.Model.Processor;

namespace Hutch.Core.Cpuid;

/// <summary>
/// CPUID of one machine: identity and caches of the model (the host's for <c>max</c> and <c>host</c>), the model's features, the machine's topology. Bits that mirror
/// a vCPU's registers (OSXSAVE, the APIC's enable bit, the XSAVE area for the current XCR0) are the engine's to add. Immutable; any thread.
/// </summary>
internal sealed class CpuidTable
{
    private const uint HypervisorLeaf = 0x4000_0000, TimingLeaf = 0x4000_0010, ExtendedLeaf = 0x8000_0000;
    private const uint AmdDuplicates = 0x0183_f3ff, HyperThreading = 1 << 28, CmpLegacy = 1 << 1;

    private readonly HostCpuid _engine;
    private readonly ModelLeaves _model;
    private readonly CpuidTopology _topology;
    private readonly SaveArea _saveArea;
    private readonly Dictionary<(uint Leaf, uint Subleaf), CpuidRegisters> _features = [];
    private readonly uint _highest, _highestExtended, _apicTimerKhz;

    /// <summary>Throws <see cref="CpuModelException"/> for a model or feature that does not exist or that the engine cannot give.</summary>
    /// <param name="model">What the user asks for.</param>
    /// <param name="topology">Arrangement of vCPUs.</param>
    /// <param name="engine">What the engine can give.</param>
    public CpuidTable(CpuModel model, CpuTopology topology, EngineCpuid engine)
    {
        ResolvedCpu cpu = CpuResolver.Resolve(model, engine.Offer());
        _engine = engine.Supported;
        _apicTimerKhz = engine.ApicTimerKhz;
        _topology = new CpuidTopology(topology);
        Features = cpu.Features;
        IsAmd = cpu.Identity.Vendor.IsAmd();
        FamilyModel = cpu.IsOfHost ? _engine(1, 0).Eax : cpu.Identity.Signature;
        ArchCapabilities = Word(FeatureWords.ArchCapabilitiesMsr, 0) | (ulong)Word(FeatureWords.ArchCapabilitiesMsr, 1) << 32;
        CoreCapabilities = Word(FeatureWords.CoreCapabilitiesMsr, 0);
        for (int i = 0; i < FeatureWords.All.Length; i++)
        {
            FeatureWord word = FeatureWords.All[i];
            if (!word.IsMsr) _features[(word.Leaf, word.Subleaf)] = Feature(word.Leaf, word.Subleaf).With(word.Register, cpu.Features.Word(i));
        }
        _model = new ModelLeaves(cpu, _engine);
        _saveArea = new SaveArea(cpu.Features, _engine);
        _highest = cpu.IsOfHost ? IsAmd ? 0xdu : 0x1f : Math.Max(cpu.Level, topology.Dies > 1 && !IsAmd && cpu.Level >= 0xb ? 0x1fu : 0);
        _highestExtended = cpu.IsOfHost ? IsAmd ? 0x8000_0021 : 0x8000_0008 : cpu.ExtendedLevel;
        PhysicalAddressBits = Features[CpuFeature.Lm] ? 40 : Features[CpuFeature.Pae] || Features[CpuFeature.Pse36] ? 36 : 32;
    }

    /// <summary>The CPU as the guest sees it, in short.</summary>
    public GuestCpu Describe()
    {
        CpuidRegisters vendor = Query(0, 0, 0, static () => 0);
        Span<byte> text = stackalloc byte[12];
        BinaryPrimitives.WriteUInt32LittleEndian(text, vendor.Ebx);
        BinaryPrimitives.WriteUInt32LittleEndian(text[4..], vendor.Edx);
        BinaryPrimitives.WriteUInt32LittleEndian(text[8..], vendor.Ecx);
        return new GuestCpu(Encoding.ASCII.GetString(text), Query(1, 0, 0, static () => 0).Eax, [.. Features.Features.Select(FeatureNames.NameOf)])
        {
            SaveArea = _saveArea.Layout,
        };
    }

    /// <summary>AMD's or Hygon's leaves and MSRs; else Intel's.</summary>
    public bool IsAmd { get; }

    /// <summary>What guests are offered.</summary>
    public FeatureSet Features { get; }

    /// <summary>IA32_ARCH_CAPABILITIES.</summary>
    public ulong ArchCapabilities { get; }

    /// <summary>IA32_CORE_CAPABILITIES.</summary>
    public ulong CoreCapabilities { get; }

    /// <summary>Signature of leaf 1.</summary>
    public uint FamilyModel { get; }

    /// <summary>Physical address bits: of leaf 0x80000008, else those that the paging modes reach.</summary>
    public int PhysicalAddressBits { get; }

    /// <summary>XCR0 bits that exist: x87, SSE and those of the features.</summary>
    public ulong XcrMask => _saveArea.Components;

    /// <summary>Bytes of the XSAVE area for some XCR0.</summary>
    public uint SaveAreaBytes(ulong xcr0) => _saveArea.Bytes(xcr0);

    /// <summary>A leaf as the vCPU with an APIC id sees it, but for what depends on its registers.</summary>
    /// <param name="leaf">EAX.</param>
    /// <param name="subleaf">ECX.</param>
    /// <param name="apicId">APIC id of the vCPU (<see cref="CpuTopology.ApicId"/>).</param>
    /// <param name="tscKhz">TSC frequency, called for the timing leaf only.</param>
    public CpuidRegisters Query(uint leaf, uint subleaf, uint apicId, Func<ulong> tscKhz)
    {
        if (leaf >= ExtendedLeaf) return leaf <= _highestExtended ? Extended(leaf, subleaf, apicId) : OutOfRange(subleaf, apicId);
        if (leaf >= HypervisorLeaf && leaf <= TimingLeaf && Features[CpuFeature.Hypervisor]) return Hypervisor(leaf, tscKhz);
        return leaf <= _highest ? Basic(leaf, subleaf, apicId) : OutOfRange(subleaf, apicId);
    }

    /// <summary>Every leaf that exists, as the vCPU with an APIC id sees it: for an engine that takes them as a list.</summary>
    public IEnumerable<CpuidEntry> All(uint apicId, Func<ulong> tscKhz)
    {
        foreach ((uint first, uint last) in ((uint, uint)[])[(0, _highest), (HypervisorLeaf, TimingLeaf), (ExtendedLeaf, _highestExtended)])
        {
            if (first == HypervisorLeaf && !Features[CpuFeature.Hypervisor]) continue;
            for (uint leaf = first; leaf <= last; leaf++)
            {
                uint subleaves = leaf switch { 4 or 0x8000_001d => 8, 7 => 3, 0xb or 0x1f => 4, 0xd => 64, _ => 1 };
                for (uint subleaf = 0; subleaf < subleaves; subleaf++)
                {
                    CpuidRegisters registers = Query(leaf, subleaf, apicId, tscKhz);
                    if (registers != default || subleaf == 0) yield return new CpuidEntry(leaf, subleaf, subleaves > 1, registers);
                }
            }
        }
    }

    // Intel answers with its highest basic leaf, AMD with zeros.
    private CpuidRegisters OutOfRange(uint subleaf, uint apicId) => IsAmd ? default : Basic(_highest, subleaf, apicId);

    private CpuidRegisters Basic(uint leaf, uint subleaf, uint apicId)
    {
        switch (leaf)
        {
            case 0: return _model.Vendor with { Eax = _highest };
            case 1:
                CpuidRegisters one = Feature(1, 0);
                uint ht = _topology.PerPackage > 1 ? HyperThreading : 0;
                uint flushes = Features[CpuFeature.Clflush] ? 8u << 8 : 0;
                uint ids = (uint)Math.Min(IsAmd ? _topology.PerPackage : 1 << _topology.PackageShift, 255);
                return new CpuidRegisters(FamilyModel, flushes | ids << 16 | apicId << 24, one.Ecx, one.Edx | ht);
            case 2: return IsAmd ? default : _model.CacheDescriptors;
            case 4: return IsAmd || subleaf > 7 ? default : _topology.Cache(_model.Cache(leaf, subleaf), isIntel: true);
            case 7: return subleaf == 0 ? Feature(7, 0) with { Eax = HighestOfLeaf7 } : Feature(7, subleaf);
            case 0xb: return Features[CpuFeature.Apic] ? _topology.Extended(subleaf, apicId) : default;
            case 0x1f: return IsAmd ? default : _topology.ExtendedWithDies(subleaf, apicId);
            case 0xd: return subleaf == 1 ? SaveFeatures : _saveArea.Leaf(subleaf);
            default: return Feature(leaf, 0);
        }
    }

    private CpuidRegisters SaveFeatures
    {
        get
        {
            uint features = Feature(0xd, 1).Eax;
            return _saveArea.Leaf(1) with { Eax = features, Ebx = Features[CpuFeature.XsaveC] ? _saveArea.Leaf(1).Ebx : 0 };
        }
    }

    private uint HighestOfLeaf7 => Feature(7, 2) != default ? 2u : Feature(7, 1) != default ? 1u : 0;

    private CpuidRegisters Extended(uint leaf, uint subleaf, uint apicId)
    {
        switch (leaf)
        {
            case ExtendedLeaf: return (IsAmd ? _model.Vendor : default) with { Eax = _highestExtended };
            case 0x8000_0001:
                CpuidRegisters one = Feature(leaf, 0);
                if (!IsAmd) return one;
                uint legacy = _topology.PerPackage > 1 ? CmpLegacy : 0;
                return new CpuidRegisters(FamilyModel, 0, one.Ecx | legacy, one.Edx | (Feature(1, 0).Edx & AmdDuplicates));
            case >= 0x8000_0002 and <= 0x8000_0006: return _model.Extended(leaf);
            case 0x8000_0008:
                uint width = IsAmd ? ((uint)_topology.PackageShift << 12) | (uint)(_topology.PerPackage - 1) : 0;
                return new CpuidRegisters((uint)PhysicalAddressBits | (Features[CpuFeature.Lm] ? 48u << 8 : 32u << 8), Feature(leaf, 0).Ebx, width, 0);
            case 0x8000_0019 or 0x8000_001a: return _model.Extended(leaf);
            case 0x8000_001d: return Features[CpuFeature.TopoExt] && subleaf <= 7 ? _topology.Cache(_model.Cache(leaf, subleaf), isIntel: false) : default;
            case 0x8000_001e: return Features[CpuFeature.TopoExt] ? _topology.AmdUnit(apicId) : default;
            default: return Feature(leaf, 0);
        }
    }

    // linux/Documentation/virt/kvm/x86/cpuid.rst. Only what is served is announced.
    private CpuidRegisters Hypervisor(uint leaf, Func<ulong> tscKhz) => leaf switch
    {
        HypervisorLeaf => new CpuidRegisters(TimingLeaf, 0x4b4d_564b, 0x564b_4d56, 0x0000_004d),
        TimingLeaf => new CpuidRegisters((uint)tscKhz(), _apicTimerKhz, 0, 0),
        _ => Feature(leaf, 0),
    };

    private uint Word(uint msr, uint half) => Features.Word(FeatureWords.All.IndexOf(new FeatureWord(msr, half, CpuidRegister.Eax, true)));

    private CpuidRegisters Feature(uint leaf, uint subleaf) => _features.GetValueOrDefault((leaf, subleaf));
}
