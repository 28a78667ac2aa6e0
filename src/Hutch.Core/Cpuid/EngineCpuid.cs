namespace Hutch.Core.Cpuid;

/// <summary>What an engine can give guests on this host.</summary>
/// <param name="Supported">
/// CPUID with only those feature bits that the engine serves on this host; vendor, family, caches, brand and sizes as they are to be passed on. Leaf 0x40000001
/// has the paravirtual features that the engine serves. KVM: KVM_GET_SUPPORTED_CPUID.
/// </param>
/// <param name="ApicTimerKhz">Frequency of the local APIC timer's input in kHz, for leaf 0x40000010.</param>
/// <param name="ArchCapabilities">IA32_ARCH_CAPABILITIES as guests may see it.</param>
internal sealed record EngineCpuid(HostCpuid Supported, uint ApicTimerKhz, ulong ArchCapabilities);
