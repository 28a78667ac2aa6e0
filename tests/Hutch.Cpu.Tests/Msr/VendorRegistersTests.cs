using Hutch.Core.Cpuid;
using Hutch.Cpu.Cpuid;
using Hutch.Cpu.Msr;
using Hutch.Cpu.Tests.Cpuid;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Cpu.Tests.Msr;

public sealed class VendorRegistersTests
{
    private static VendorRegisters Create(bool amd) => new(new CpuidTable(CpuModel.Max, new CpuTopology(1, 1, 1), SoftCpuid.Create(FakeHost.Create(amd))));

    [Theory]
    [InlineData(MsrIndex.FeatureControl, 1ul)]
    [InlineData(MsrIndex.BiosSignId, 0x1_0000_0000ul)]
    [InlineData(MsrIndex.PlatformId, 0ul)]
    [InlineData(MsrIndex.SpecCtrl, 0ul)]
    public void Intel_guests_find_intels_registers(uint index, ulong expected)
    {
        Assert.True(Create(amd: false).Read(index, out ulong value));
        Assert.Equal(expected, value);
        if (index != MsrIndex.BiosSignId) Assert.False(Create(amd: true).Read(index, out _));
    }

    [Theory]
    [InlineData(MsrIndex.Hwcr, 1ul << 24)]
    [InlineData(MsrIndex.DeCfg, 2ul)]
    [InlineData(MsrIndex.Syscfg, 0ul)]
    [InlineData(MsrIndex.NbCfg, 0ul)]
    [InlineData(MsrIndex.TopMem2, 0ul)]
    [InlineData(MsrIndex.PerfCounter3, 0ul)]
    public void Amd_guests_find_amds_registers(uint index, ulong expected)
    {
        Assert.True(Create(amd: true).Read(index, out ulong value));
        Assert.Equal(expected, value);
        Assert.False(Create(amd: false).Read(index, out _));
    }

    [Fact]
    public void Speculation_controls_take_their_bits_only()
    {
        VendorRegisters intel = Create(amd: false);
        Assert.True(intel.Write(MsrIndex.SpecCtrl, 1));
        Assert.True(intel.Read(MsrIndex.SpecCtrl, out ulong value) && value == 1);
        Assert.False(intel.Write(MsrIndex.SpecCtrl, 1ul << 40));
        Assert.True(intel.Write(MsrIndex.PredCmd, 1));
        Assert.False(intel.Write(MsrIndex.ArchCapabilities, 0));
        Assert.True(intel.Read(MsrIndex.ArchCapabilities, out value) && (value & 2) != 0);
    }

    [Fact]
    public void Counters_never_count_and_machine_check_has_no_banks()
    {
        VendorRegisters amd = Create(amd: true);
        Assert.True(amd.Write(MsrIndex.PerfEventSelect0 + 4, 0xabcd));
        Assert.True(amd.Read(MsrIndex.PerfEventSelect0 + 4, out ulong value) && value == 0);
        Assert.True(amd.Read(MsrIndex.McgCap, out value) && value == 0);
        Assert.False(amd.Read(0x400, out _));
    }
}
