using System;
using System.Collections.Generic;
using Hutch.Model.Machine;

namespace Hutch.Core.Cpuid;

/// <summary>
/// CPUID of one machine: vendor, family, caches and brand are the host's; features are those of the model that host and engine can give;
/// topology is the machine's. Bits that mirror a vCPU's registers (OSXSAVE, the APIC's enable bit, the XSAVE area for the current XCR0) are the engine's to add.
/// Immutable; any thread.
/// </summary>
internal sealed class CpuidTable
{
    /// <summary>The leaf with KVM's feature bits.</summary>
    public const uint KvmFeatureLeaf = 0x4000_0001;

    private const uint HypervisorLeaf = 0x4000_0000, TimingLeaf = 0x4000_0010, ExtendedLeaf = 0x8000_0000;
    private const uint AmdDuplicates = 0x0183_f3ff, HyperThreading = 1 << 28, CmpLegacy = 1 << 1, ClockFeatures = 1 | 1 << 3 | 1 << 24;

    private readonly HostCpuid _host;
    private readonly CpuidTopology _topology;
    private readonly Dictionary<uint, CpuidRegisters> _features = [];
    private readonly uint _xsaveFeatures, _highest, _highestExtended, _apicTimerKhz;

    /// <summary>Throws <see cref="CpuModelException"/> for a model or feature that does not exist or that the host cannot give.</summary>
    /// <param name="model">What the user asks for.</param>
    /// <param name="topology">Arrangement of vCPUs.</param>
    /// <param name="engine">What the engine can give.</param>
    public CpuidTable(CpuModel model, CpuTopology topology, EngineCpuid engine)
    {
        _host = engine.Supported;
        _apicTimerKhz = engine.ApicTimerKhz;
        _topology = new CpuidTopology(topology);
        IsAmd = HasAmdLeaves(_host);
        Features = FeatureSet.Create(model, _host);
        foreach (FeatureBit bit in FeatureTable.Bits)
        {
            if (!Features[bit.Feature]) continue;
            if (bit.Leaf == 0xd) _xsaveFeatures |= 1u << bit.Bit;
            else _features[bit.Leaf] = Feature(bit.Leaf).With(bit.Register, bit.Bit);
        }
        _highest = IsAmd ? 0xdu : 0x1f;
        _highestExtended = IsAmd ? 0x8000_0021 : 0x8000_0008;
        ArchCapabilities = engine.ArchCapabilities;
        FamilyModel = _host(1, 0).Eax;
    }

    /// <summary>Whether a CPU follows AMD's leaves: AMD's own and Hygon's.</summary>
    public static bool HasAmdLeaves(HostCpuid cpu) => cpu(0, 0).Ebx is 0x6874_7541 or 0x6f67_7948; // EBX: "Auth" of AuthenticAMD, "Hygo" of HygonGenuine.

    /// <summary>AMD's or Hygon's leaves and MSRs; else Intel's.</summary>
    public bool IsAmd { get; }

    /// <summary>What guests are offered.</summary>
    public FeatureSet Features { get; }

    /// <summary>Host and guest TSC run at one rate in all states.</summary>
    public bool HasInvariantTsc => Features[CpuFeature.ConstantTsc];

    /// <summary>IA32_ARCH_CAPABILITIES.</summary>
    public ulong ArchCapabilities { get; }

    /// <summary>Signature of leaf 1.</summary>
    public uint FamilyModel { get; }

    /// <summary>Physical address bits of leaf 0x80000008.</summary>
    public int PhysicalAddressBits => 40;

    /// <summary>XCR0 bits that exist: x87, SSE and, where offered, AVX.</summary>
    public ulong XcrMask => Features[CpuFeature.Avx] ? 7u : 3u;

    /// <summary>A leaf as vCPU <paramref name="apicId"/> sees it, but for what depends on its registers.</summary>
    /// <param name="leaf">EAX.</param>
    /// <param name="subleaf">ECX.</param>
    /// <param name="apicId">Index of the vCPU.</param>
    /// <param name="tscKhz">TSC frequency, called for the timing leaf only.</param>
    public CpuidRegisters Query(uint leaf, uint subleaf, uint apicId, Func<ulong> tscKhz)
    {
        if (leaf >= ExtendedLeaf) return leaf <= _highestExtended ? Extended(leaf, subleaf, apicId) : OutOfRange(subleaf, apicId);
        if (leaf >= HypervisorLeaf && leaf <= TimingLeaf && Features[CpuFeature.Hypervisor]) return Hypervisor(leaf, tscKhz);
        return leaf <= _highest ? Basic(leaf, subleaf, apicId) : OutOfRange(subleaf, apicId);
    }

    /// <summary>Every leaf that exists, as vCPU <paramref name="apicId"/> sees it: for an engine that takes them as a list.</summary>
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
            case 0: return _host(0, 0) with { Eax = _highest };
            case 1:
                CpuidRegisters one = Feature(1);
                uint ht = _topology.PerPackage > 1 ? HyperThreading : 0;
                uint ebx = (8 << 8) | ((uint)Math.Min(_topology.PerPackage, 255) << 16) | (apicId << 24);
                return new CpuidRegisters(FamilyModel, ebx, one.Ecx, one.Edx | ht);
            case 2: return IsAmd ? default : _host(2, 0);
            case 4: return IsAmd || subleaf > 7 ? default : _topology.Cache(_host(4, subleaf), isIntel: true);
            case 6: return Feature(6);
            case 7: return subleaf == 0 ? Feature(7) : default;
            case 0xb: return _topology.Extended(subleaf, apicId);
            case 0x1f: return IsAmd ? default : _topology.Extended(subleaf, apicId);
            case 0xd: return Xsave(subleaf);
            default: return default;
        }
    }

    // Intel SDM 1 §13.2. Sizes are for all of XCR0; VcpuCpuid replaces those that depend on its value.
    private CpuidRegisters Xsave(uint subleaf)
    {
        if (!Features[CpuFeature.Xsave]) return default;
        bool avx = Features[CpuFeature.Avx];
        return subleaf switch
        {
            0 => new CpuidRegisters((uint)XcrMask, SaveAreaBytes(XcrMask), SaveAreaBytes(XcrMask), 0),
            1 => new CpuidRegisters(_xsaveFeatures, Features[CpuFeature.XsaveC] ? SaveAreaBytes(XcrMask) : 0, 0, 0),
            2 when avx => new CpuidRegisters(256, 576, 0, 0),
            _ => default,
        };
    }

    /// <summary>Bytes of the XSAVE area for some XCR0: legacy region and header, then AVX.</summary>
    public static uint SaveAreaBytes(ulong xcr0) => (xcr0 & 4) != 0 ? 832u : 576u;

    private CpuidRegisters Extended(uint leaf, uint subleaf, uint apicId)
    {
        switch (leaf)
        {
            case ExtendedLeaf: return _host(ExtendedLeaf, 0) with { Eax = _highestExtended };
            case 0x8000_0001:
                CpuidRegisters one = Feature(leaf);
                if (!IsAmd) return one;
                uint legacy = _topology.PerPackage > 1 ? CmpLegacy : 0;
                return new CpuidRegisters(FamilyModel, 0, one.Ecx | legacy, one.Edx | (Feature(1).Edx & AmdDuplicates));
            case >= 0x8000_0002 and <= 0x8000_0004: return _host(leaf, 0);
            case 0x8000_0005: return IsAmd ? _host(leaf, 0) : default;
            case 0x8000_0006: return _host(leaf, 0);
            case 0x8000_0008:
                uint width = IsAmd ? ((uint)_topology.PackageBits << 12) | (uint)(_topology.PerPackage - 1) : 0;
                return new CpuidRegisters((uint)PhysicalAddressBits | (48 << 8), Feature(leaf).Ebx, width, 0);
            case 0x8000_0019 or 0x8000_001a: return _host(leaf, 0);
            case 0x8000_001d: return Features[CpuFeature.TopoExt] && subleaf <= 7 ? _topology.Cache(_host(leaf, subleaf), isIntel: false) : default;
            case 0x8000_001e: return Features[CpuFeature.TopoExt] ? AmdUnit(apicId) : default;
            default: return Feature(leaf);
        }
    }

    // AMD APM 3, Fn8000_001E: extended APIC id, core id and threads in a core, node.
    private CpuidRegisters AmdUnit(uint apicId)
    {
        uint inPackage = apicId & ((1u << _topology.PackageBits) - 1);
        uint core = inPackage >> _topology.ThreadBits;
        uint package = _topology.PackageBits >= 32 ? 0 : apicId >> _topology.PackageBits;
        return new CpuidRegisters(apicId, core | ((uint)(_topology.Threads - 1) << 8), package & 0xff, 0);
    }

    // linux/Documentation/virt/kvm/x86/cpuid.rst. Only what is served is announced.
    private CpuidRegisters Hypervisor(uint leaf, Func<ulong> tscKhz)
    {
        switch (leaf)
        {
            case HypervisorLeaf: return new CpuidRegisters(TimingLeaf, 0x4b4d_564b, 0x564b_4d56, 0x0000_004d);
            case KvmFeatureLeaf:
                return new CpuidRegisters(Features[CpuFeature.KvmClock] ? _host(leaf, 0).Eax : _host(leaf, 0).Eax & ~ClockFeatures, 0, 0, 0);
            case TimingLeaf: return new CpuidRegisters((uint)tscKhz(), _apicTimerKhz, 0, 0);
            default: return default;
        }
    }

    private CpuidRegisters Feature(uint leaf) => _features.GetValueOrDefault(leaf);
}
