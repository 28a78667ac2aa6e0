namespace Hutch.Core.Cpuid;

/// <summary>One answer of CPUID in a list of all of them (struct kvm_cpuid_entry2 of linux/kvm.h).</summary>
/// <param name="Leaf">EAX.</param>
/// <param name="Subleaf">ECX; 0 where it does not matter.</param>
/// <param name="IsIndexed">The answer depends on ECX.</param>
/// <param name="Registers">The answer.</param>
internal readonly record struct CpuidEntry(uint Leaf, uint Subleaf, bool IsIndexed, CpuidRegisters Registers);
