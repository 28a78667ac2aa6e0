using System.Collections.Immutable;
using System.Linq;

namespace Hutch.Model.Processor;

/// <summary>What holds for every model on every engine: features that a virtual machine does not have, features that it always has, and which features need others.</summary>
public static class ModelRules
{
    // "base: those that make no sense without it".
    private static readonly string[] DependencyText =
    [
        "fpu: mmx fxsr", "mmx: sse mmxext 3dnow", "3dnow: 3dnowext", "fxsr: sse fxsr-opt", "sse: sse2 misalignsse",
        "sse2: pni ssse3 sse4.1 sse4.2 sse4a pclmulqdq aes sha-ni gfni", "apic: x2apic tsc-deadline arat extapic", "msr: x2apic tsc-deadline tsc-adjust mtrr pat mca lm syscall",
        "tsc: tsc-deadline tsc-adjust rdtscp invtsc kvmclock kvmclock-old", "kvmclock: kvmclock-old kvmclock-stable-bit", "pae: lm pdpe1gb nx",
        "lm: pcid la57 fsgsbase pdpe1gb", "xsave: avx xsaveopt xsavec xgetbv1 xfd mpx amx-tile", "xsavec: xsaves",
        "avx: avx2 fma f16c vaes vpclmulqdq avx-vnni xop fma4 avx-ifma avx-ne-convert avx-vnni-int8 avx-vnni-int16 avx512f", "aes: vaes", "pclmulqdq: vpclmulqdq",
        "avx512f: avx512dq avx512ifma avx512pf avx512er avx512cd avx512bw avx512vl avx512vbmi avx512vbmi2 avx512vnni avx512bitalg avx512-vpopcntdq avx512-4vnniw",
        "avx512f: avx512-4fmaps avx512-vp2intersect avx512-bf16 avx512-fp16 avx10", "amx-tile: amx-bf16 amx-int8 amx-fp16 amx-complex", "pcid: invpcid", "rtm: tsx-ldtrk",
        "svm: npt lbrv svm-lock nrip-save tsc-scale vmcb-clean flushbyasid decodeassists pause-filter pfthreshold avic v-vmsave-vmload vgif vnmi svme-addr-chk",
        "arch-capabilities: rdctl-no ibrs-all rsba skip-l1dfl-vmentry ssb-no mds-no pschange-mc-no tsx-ctrl taa-no sbdr-ssdp-no fbsdp-no psdp-no fb-clear rrsba",
        "arch-capabilities: bhi-no pbrsb-no gds-no rfds-no its-no", "core-capability: split-lock-detect",
        "hypervisor: kvmclock kvmclock-old kvm-nopiodelay kvm-mmu kvm-asyncpf kvm-steal-time kvm-pv-eoi kvm-pv-unhalt kvm-pv-tlb-flush kvm-asyncpf-vmexit kvm-pv-ipi",
        "hypervisor: kvm-poll-control kvm-pv-sched-yield kvm-asyncpf-int kvm-msi-ext-dest-id",
    ];

    /// <summary>
    /// Left out of every model, as other hypervisors do: idling, clock and heat of a package are the host's (monitor, acpi, tm, est...); there are no performance
    /// counters and traces (pdcm, ds, perfctr...), no virtual machines within, no enclaves and no resource control. HT and CMP_LEGACY follow the topology.
    /// </summary>
    public static FeatureSet NeverGiven { get; } = FeatureNames.Parse(
        "monitor mwaitx acpi tm tm2 est pbe cid xtpr dca pn ia64 mp sdbg smx vmx svm npt lbrv svm-lock nrip-save tsc-scale vmcb-clean flushbyasid decodeassists "
        + "pause-filter pfthreshold avic v-vmsave-vmload vgif vnmi svme-addr-chk ds dtes64 ds-cpl pdcm perfctr-core perfctr-nb perfmon-v2 arch-lbr intel-pt ibs irperf "
        + "lwp skinit wdt tce nodeid-msr extapic sgx sgxlc cqm rdt_a pconfig tme ospke ht cmp-legacy pcommit");

    /// <summary>
    /// Given with every named model that has what they need: the machine shows what it is and has timers and clocks that need no emulated hardware. Every engine
    /// serves them on every host, so that a named model is the same CPU everywhere; other paravirtual features come with <c>max</c> or by name.
    /// </summary>
    public static FeatureSet AlwaysGiven { get; } = FeatureNames.Parse("hypervisor x2apic tsc-deadline arat kvmclock-old kvm-nopiodelay kvmclock kvmclock-stable-bit");

    /// <summary>Each feature that others need, with those.</summary>
    public static ImmutableArray<(CpuFeature Base, FeatureSet Dependents)> Dependencies { get; } = [.. DependencyText.Select(Parse)];

    /// <summary>The set without those features whose base is not in it.</summary>
    public static FeatureSet Close(FeatureSet features)
    {
        FeatureSet before;
        do
        {
            before = features;
            foreach ((CpuFeature basis, FeatureSet dependents) in Dependencies)
                if (!features[basis]) features = features.Except(dependents);
        }
        while (!features.Equals(before));
        return features;
    }

    /// <summary>A feature that <paramref name="feature"/> needs and that the set has not; null: it has all.</summary>
    public static CpuFeature? MissingBase(FeatureSet features, CpuFeature feature)
    {
        foreach ((CpuFeature basis, FeatureSet dependents) in Dependencies)
            if (dependents[feature] && !features[basis]) return basis;
        return null;
    }

    private static (CpuFeature Base, FeatureSet Dependents) Parse(string line)
    {
        int colon = line.IndexOf(':');
        return (FeatureNames.Find(line[..colon])!.Value, FeatureNames.Parse(line[(colon + 1)..]));
    }
}
