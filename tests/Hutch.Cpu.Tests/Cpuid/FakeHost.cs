using Hutch.Core.Cpuid;

namespace Hutch.Cpu.Tests.Cpuid;

/// <summary>A host CPU with every feature bit, of either vendor.</summary>
internal static class FakeHost
{
    public static HostCpuid Create(bool amd, uint withoutLeaf7Ebx = 0) => (leaf, subleaf) => leaf switch
    {
        0 => amd ? new CpuidRegisters(0x10, 0x6874_7541, 0x444d_4163, 0x6974_6e65) : new CpuidRegisters(0x20, 0x756e_6547, 0x6c65_746e, 0x4965_6e69),
        1 => new CpuidRegisters(amd ? 0x00a1_0f11u : 0x000a_0671u, uint.MaxValue, uint.MaxValue, uint.MaxValue),
        4 when subleaf < 4 => new CpuidRegisters(0xfc00_0000 | (3u << 14) | ((subleaf < 2 ? 1u : subleaf) << 5) | 1, 0x01c0_003f, 0x3f, 0),
        7 => new CpuidRegisters(2, ~withoutLeaf7Ebx, uint.MaxValue, uint.MaxValue),
        0xd when subleaf == 1 => new CpuidRegisters(0xf, 0, 0, 0),
        0x8000_0000 => new CpuidRegisters(amd ? 0x8000_0028 : 0x8000_0008, 0, 0, 0),
        0x8000_0001 or 0x8000_0007 or 0x8000_0008 or 0x8000_0021 => new CpuidRegisters(uint.MaxValue, uint.MaxValue, uint.MaxValue, uint.MaxValue),
        0x8000_001d when subleaf < 4 => new CpuidRegisters((15u << 14) | ((subleaf < 2 ? 1u : subleaf) << 5) | 1, 0x01c0_003f, 0x3f, 0),
        _ => default,
    };
}
