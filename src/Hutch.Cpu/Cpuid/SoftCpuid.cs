using System.Linq;
using Hutch.Core.Cpuid;
using Hutch.Cpu.Apic;
using Hutch.Cpu.Interpreter.Host;
using Hutch.Host.Processor;
using Hutch.Model.Processor;

namespace Hutch.Cpu.Cpuid;

/// <summary>
/// What the software engine gives: what the host CPU has, as far as the instruction tables know it, and what the engine does by itself on any host. What is not
/// named here is never offered, among it AVX-512, AMX, CET, MPX, LA57, 3DNow, XOP, FMA4, TBM.
/// </summary>
internal static class SoftCpuid
{
    private const uint OsXsave = 1 << 27;

    // Guest instructions run on the host CPU, which must have these.
    private static readonly FeatureSet OfHost = FeatureNames.Parse(
        "fpu tsc cx8 cmov clflush mmx fxsr sse sse2 pni pclmulqdq ssse3 fma cx16 sse4.1 sse4.2 movbe popcnt aes xsave avx f16c rdrand fsgsbase bmi1 avx2 "
        + "fdp-excptn-only bmi2 erms zero-fcs-fds rdseed adx clflushopt clwb sha-ni gfni vaes vpclmulqdq rdpid fsrm lahf-lm abm 3dnowprefetch rdtscp "
        + "invtsc xsaveopt xsavec xgetbv1");

    // As above, and asked from AMD's leaves: an Intel host says nothing of them.
    private static readonly FeatureSet OfAmdHost = FeatureNames.Parse(
        "cr8legacy topoext mmxext sse4a misalignsse xsaveerptr amd-no-ssb no-nested-data-bp lfence-always-serializing tsa-sq-no tsa-l1-no");

    // The engine does these by itself, for guests of either vendor.
    private static readonly FeatureSet OfEngine = FeatureNames.Parse(
        "vme de pse msr pae mce apic sep mtrr pge mca pat pse36 pcid x2apic tsc-deadline hypervisor arat tsc-adjust smep invpcid smap umip syscall nx pdpe1gb lm "
        + "kvmclock-old kvm-nopiodelay kvmclock kvmclock-stable-bit");

    // Of one vendor's CPUs; the other's guests get them only with a model that has them.
    private static readonly FeatureSet OfEngineForAmd = FeatureNames.Parse("btc-no null-sel-clr-base auto-ibrs srso-no"),
        OfEngineForIntel = FeatureNames.Parse("spec-ctrl arch-capabilities");

    // Given with a model or by name: they tell of nothing that a guest would gain here (transactions abort at once, XSAVES saves what XSAVEC does, speculation
    // controls are kept without effect: Mitigations), or they hold whatever the host says.
    private static readonly FeatureSet OfEngineIfAsked = FeatureNames.Parse(
        "pku ss erms fsrm hle rtm xsaves fxsr-opt misalignsse osvw overflow-recov succor clzero wbnoinvd cldemote movdiri movdir64b 3dnowprefetch cr8legacy topoext mmxext "
        + "xsaveerptr no-nested-data-bp stibp ssbd ibpb ibrs amd-stibp stibp-always-on amd-ssbd amd-psfd");

    /// <summary>The engine on a host.</summary>
    /// <param name="host">CPUID of the host; null: the real one.</param>
    public static EngineCpuid Create(HostCpuid? host = null)
    {
        HostCpuid query = new CpuidCache(host ?? CpuidRegisters.OfHost).Query;
        ulong capabilities = Mitigations.ArchCapabilities(ProcessorVulnerabilities.IsNotAffected);
        CpuOffer raw = new EngineCpuid("host", query, 0, capabilities).Offer();
        bool isAmd = raw.Identity.Vendor.IsAmd();
        FeatureSet features = raw.Features.Intersect(isAmd ? OfHost.Union(OfAmdHost) : OfHost).Union(OfEngine).Union(OfEngineForAmd).Union(OfEngineForIntel);
        FeatureSet onRequest = OfEngineIfAsked.Except(features.Except(FeatureSet.Of(CpuFeature.MisalignSse)));
        // Misaligned-SSE mode is the host CPU's own: without it the engine could only read through copies.
        features = features.Union(OfEngineIfAsked.Except(raw.Features[CpuFeature.MisalignSse] ? FeatureSet.Empty : FeatureSet.Of(CpuFeature.MisalignSse)));
        // The host's kernel has not enabled XSAVE: no AVX state could be loaded.
        if ((query(1, 0).Ecx & OsXsave) == 0) features = features.Except(FeatureSet.Of(CpuFeature.Xsave));
        features = ModelRules.Close(features);
        return new EngineCpuid("software", (leaf, subleaf) => Answer(features, query, leaf, subleaf), ApicTimer.BusKhz, capabilities)
        {
            OnRequest = onRequest.Union(isAmd ? OfEngineForIntel.Union(FeatureSet.FromWords(word => word.IsMsr ? uint.MaxValue : 0)) : OfEngineForAmd),
        };
    }

    private static CpuidRegisters Answer(FeatureSet features, HostCpuid host, uint leaf, uint subleaf)
    {
        if (leaf == 0xd && subleaf == FpuArea.PkruComponent) return new CpuidRegisters(FpuArea.PkruBytes, FpuArea.Pkru, 0, 0);
        CpuidRegisters answer = host(leaf, subleaf);
        if (!FeatureWords.All.Any(word => !word.IsMsr && word.Leaf == leaf && word.Subleaf == subleaf)) return answer;
        // Signature and address sizes share leaves with features.
        answer = new CpuidRegisters(leaf is 1 or 0x8000_0008 ? answer.Eax : leaf == 7 && subleaf == 0 ? 2u : 0, 0, 0, 0);
        for (int i = 0; i < FeatureWords.All.Length; i++)
        {
            FeatureWord word = FeatureWords.All[i];
            if (!word.IsMsr && word.Leaf == leaf && word.Subleaf == subleaf) answer = answer.With(word.Register, features.Word(i));
        }
        return answer;
    }
}
