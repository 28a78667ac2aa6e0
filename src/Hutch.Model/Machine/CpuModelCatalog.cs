using System;
using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Hutch.Model.Machine;

/// <summary>The CPU models and feature names that a configuration may use. What a host can give of them is the engine's to say.</summary>
public static class CpuModelCatalog
{
    /// <summary>Model names.</summary>
    public static ImmutableArray<string> Models { get; } = ["max", "host", "x86-64-v1", "x86-64-v2", "x86-64-v3"];

    /// <summary>Features that can be switched with <c>+flag</c> and <c>-flag</c>, in Linux /proc/cpuinfo spelling.</summary>
    public static FrozenSet<string> Features { get; } = FrozenSet.ToFrozenSet(
    [
        "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", "sep", "mtrr", "pge", "mca", "cmov", "pat", "clflush", "mmx", "fxsr", "sse", "sse2",
        "pni", "pclmulqdq", "ssse3", "fma", "cx16", "pcid", "sse4_1", "sse4_2", "x2apic", "movbe", "popcnt", "tsc_deadline_timer", "aes", "xsave", "avx",
        "f16c", "rdrand", "hypervisor", "fsgsbase", "tsc_adjust", "bmi1", "avx2", "smep", "bmi2", "erms", "invpcid", "rdseed", "adx", "smap", "clflushopt",
        "clwb", "sha_ni", "umip", "gfni", "vaes", "vpclmulqdq", "rdpid", "fsrm", "xsaveopt", "xsavec", "xgetbv1", "arat",
        "syscall", "nx", "mmxext", "pdpe1gb", "rdtscp", "lm", "lahf_lm", "cr8_legacy", "abm", "3dnowprefetch", "topoext", "constant_tsc", "autoibrs",
        "arch_capabilities", "spec_ctrl", "kvmclock",
    ], StringComparer.Ordinal);

    /// <summary>Checks names only. Throws <see cref="CpuModelException"/> for an unknown model or feature.</summary>
    public static void CheckNames(CpuModel model)
    {
        if (!Models.Contains(model.Name))
            throw new CpuModelException($"CPU model '{model.Name}' is not known: use one of {string.Join(", ", Models)}.");
        foreach (string feature in model.Added.AddRange(model.Removed))
            if (!Features.Contains(feature))
                throw new CpuModelException($"CPU feature '{feature}' is not known: features are named as in the flags line of Linux's /proc/cpuinfo, for example avx2.");
    }
}
