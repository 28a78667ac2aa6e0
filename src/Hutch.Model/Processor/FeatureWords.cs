using System.Collections.Immutable;

namespace Hutch.Model.Processor;

/// <summary>A register of CPUID's result.</summary>
public enum CpuidRegister : byte
{
    /// <summary>EAX.</summary>
    Eax,

    /// <summary>EBX.</summary>
    Ebx,

    /// <summary>ECX.</summary>
    Ecx,

    /// <summary>EDX.</summary>
    Edx,
}

/// <summary>Where 32 feature bits are: a register of a CPUID leaf, or half an MSR.</summary>
/// <param name="Leaf">CPUID leaf or MSR index.</param>
/// <param name="Subleaf">CPUID subleaf; of an MSR 0 for the low half, 1 for the high one.</param>
/// <param name="Register">Register of the leaf.</param>
/// <param name="IsMsr">An MSR.</param>
public readonly record struct FeatureWord(uint Leaf, uint Subleaf, CpuidRegister Register, bool IsMsr = false)
{
    /// <summary>As Features.txt writes it.</summary>
    public override string ToString() =>
        IsMsr ? $"msr.{Leaf:x}.{(Subleaf == 0 ? "low" : "high")}" : $"{Leaf:x}.{Subleaf:x}.{Register.ToString().ToLowerInvariant()}";
}

/// <summary>The words that features are in. The order is part of <see cref="CpuFeature"/>'s numbers.</summary>
public static class FeatureWords
{
    private const CpuidRegister A = CpuidRegister.Eax, B = CpuidRegister.Ebx, C = CpuidRegister.Ecx, D = CpuidRegister.Edx;

    /// <summary>CPUID leaf with KVM's paravirtual features (linux/Documentation/virt/kvm/x86/cpuid.rst).</summary>
    public const uint KvmLeaf = 0x4000_0001;

    /// <summary>IA32_ARCH_CAPABILITIES (Intel SDM 4 table 2-2).</summary>
    public const uint ArchCapabilitiesMsr = 0x10a;

    /// <summary>IA32_CORE_CAPABILITIES (Intel SDM 4 table 2-2).</summary>
    public const uint CoreCapabilitiesMsr = 0xcf;

    /// <summary>All words.</summary>
    public static ImmutableArray<FeatureWord> All { get; } =
    [
        new(1, 0, D), new(1, 0, C), new(6, 0, A), new(7, 0, B), new(7, 0, C), new(7, 0, D), new(7, 1, A), new(7, 1, D), new(7, 2, D), new(0xd, 1, A),
        new(0x8000_0001, 0, D), new(0x8000_0001, 0, C), new(0x8000_0007, 0, B), new(0x8000_0007, 0, D), new(0x8000_0008, 0, B), new(0x8000_000a, 0, D),
        new(0x8000_0021, 0, A), new(0x8000_0021, 0, C), new(0x8000_0022, 0, A), new(KvmLeaf, 0, A),
        new(ArchCapabilitiesMsr, 0, A, true), new(ArchCapabilitiesMsr, 1, A, true), new(CoreCapabilitiesMsr, 0, A, true),
    ];
}
