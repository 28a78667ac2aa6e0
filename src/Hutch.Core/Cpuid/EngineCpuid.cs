using System;
using System.Text;
using Hutch.Model.Processor;

namespace Hutch.Core.Cpuid;

/// <summary>What an engine can give guests on this host.</summary>
/// <param name="Name">Name of the engine, as <see cref="Engine.IHypervisor.Name"/>.</param>
/// <param name="Supported">
/// CPUID with only those feature bits that the engine serves on this host; vendor, family, caches, brand and sizes as they are to be passed on. Leaf 0x40000001
/// has the paravirtual features that the engine serves. KVM: KVM_GET_SUPPORTED_CPUID.
/// </param>
/// <param name="ApicTimerKhz">Frequency of the local APIC timer's input in kHz, for leaf 0x40000010.</param>
/// <param name="ArchCapabilities">IA32_ARCH_CAPABILITIES as guests may see it.</param>
internal sealed record EngineCpuid(string Name, HostCpuid Supported, uint ApicTimerKhz, ulong ArchCapabilities)
{
    /// <summary>Features that are given only when they are asked for, by name or with a model: <c>max</c> leaves them out.</summary>
    public FeatureSet OnRequest { get; init; } = FeatureSet.Empty;

    /// <summary>The offer that models are resolved against.</summary>
    public CpuOffer Offer()
    {
        // A bit without a name is one whose meaning, and whose state, nobody here knows; AMD repeats leaf 1 in 0x80000001.
        FeatureSet features = FeatureSet.FromWords(Word).Intersect(FeatureNames.Known);
        return new CpuOffer(Name, Identity(), features, features.Except(OnRequest));
    }

    private uint Word(FeatureWord word)
    {
        if (word.IsMsr) return word.Leaf == FeatureWords.ArchCapabilitiesMsr ? (uint)(ArchCapabilities >> (int)(32 * word.Subleaf)) : 0;
        // A CPU answers leaves and subleaves that it does not have with something else.
        bool exists = word.Leaf == FeatureWords.KvmLeaf || word.Leaf <= Supported(word.Leaf & 0x8000_0000, 0).Eax;
        if (word.Leaf == 7 && word.Subleaf > 0) exists &= word.Subleaf <= Supported(7, 0).Eax;
        return exists ? Supported(word.Leaf, word.Subleaf)[word.Register] : 0;
    }

    private CpuIdentity Identity()
    {
        CpuidRegisters zero = Supported(0, 0);
        (int family, int model, int stepping) = CpuIdentity.Decode(Supported(1, 0).Eax);
        Span<byte> text = stackalloc byte[12];
        BitConverter.TryWriteBytes(text, zero.Ebx);
        BitConverter.TryWriteBytes(text[4..], zero.Edx);
        BitConverter.TryWriteBytes(text[8..], zero.Ecx);
        return new CpuIdentity(CpuVendors.Parse(Encoding.ASCII.GetString(text)), family, model, stepping, Brand());
    }

    private string Brand()
    {
        if (Supported(0x8000_0000, 0).Eax < 0x8000_0004) return "";
        byte[] text = new byte[48];
        for (uint i = 0; i < 12; i++) BitConverter.TryWriteBytes(text.AsSpan((int)i * 4), Supported(0x8000_0002 + i / 4, 0)[(CpuidRegister)(i % 4)]);
        return Encoding.ASCII.GetString(text).TrimEnd('\0').Trim();
    }
}
