using System;
using Hutch.Core.Cpuid;
using Hutch.Cpu.Cpuid;
using Hutch.Cpu.Tests.Apic;
using Hutch.Model.Machine;
using Hutch.Model.Processor;
using Xunit;

namespace Hutch.Cpu.Tests.Cpuid;

public sealed class CpuidTableTests
{
    private static readonly CpuTopology One = new(1, 1, 1);

    private static CpuidTable Table(bool amd, CpuTopology? topology = null, string model = "max", string[]? add = null, string[]? remove = null) =>
        new(new CpuModel(model, [.. add ?? []], [.. remove ?? []]), topology ?? One, SoftCpuid.Create(FakeHost.Create(amd)));

    private static CpuidRegisters Query(CpuidTable table, uint leaf, uint subleaf = 0, uint id = 0) => table.Query(leaf, subleaf, id, () => 2_600_000);

    [Fact]
    public void Features_that_the_engine_cannot_run_are_never_offered()
    {
        foreach (bool amd in new[] { false, true })
        {
            CpuidTable table = Table(amd);
            CpuidRegisters one = Query(table, 1), seven = Query(table, 7), extended = Query(table, 0x8000_0001);
            // MONITOR, VMX; ACPI, DS.
            Assert.Equal(0u, one.Ecx & ((1u << 3) | (1u << 5)));
            Assert.Equal(0u, one.Edx & ((1u << 22) | (1u << 21)));
            // HLE, RTM, MPX, AVX-512.
            Assert.Equal(0u, seven.Ebx & ((1u << 4) | (1u << 11) | (1u << 14) | 0xdc23_0000 & ~(1u << 29) & ~(3u << 23) & ~(1u << 20) & ~(1u << 18) & ~(1u << 19)));
            // PKU, CET, LA57.
            Assert.Equal(0u, seven.Ecx & ((1u << 3) | (1u << 4) | (1u << 7) | (1u << 16)));
            // SVM, XOP, FMA4, TBM; FFXSR, 3DNow.
            Assert.Equal(0u, extended.Ecx & ((1u << 2) | (1u << 11) | (1u << 16) | (1u << 21)));
            Assert.Equal(0u, extended.Edx & ((1u << 25) | (3u << 30)));
            Assert.Equal(7u, Query(table, 0xd, 1).Eax);
            Assert.Equal(7u, Query(table, 0xd).Eax);
        }
    }

    [Fact]
    public void The_real_host_gives_a_64_bit_guest_with_a_clock()
    {
        var table = new CpuidTable(CpuModel.Max, One, SoftCpuid.Create());
        Assert.True(table.Features[CpuFeature.Lm]);
        Assert.True(table.Features[CpuFeature.X2Apic]);
        Assert.Equal(System.Runtime.Intrinsics.X86.Avx2.IsSupported, table.Features[CpuFeature.Avx2]);
        Assert.Equal(0x3028u, Query(table, 0x8000_0008).Eax);
    }

    [Theory]
    [InlineData(1, 1, 1, 0, 0)]
    [InlineData(1, 2, 1, 0, 1)]
    [InlineData(1, 4, 1, 0, 2)]
    [InlineData(2, 2, 2, 1, 2)]
    public void Topology_leaves_agree(int sockets, int cores, int threads, uint threadShift, uint packageShift)
    {
        var topology = new CpuTopology(sockets, cores, threads);
        foreach (bool amd in new[] { false, true })
        {
            CpuidTable table = Table(amd, topology);
            uint perPackage = (uint)(cores * threads);
            for (uint id = 0; id < topology.VcpuCount; id++)
            {
                Assert.Equal(new CpuidRegisters(threadShift, (uint)threads, 0x100, id), Query(table, 0xb, 0, id));
                Assert.Equal(new CpuidRegisters(packageShift, perPackage, 0x201, id), Query(table, 0xb, 1, id));
                Assert.Equal(0u, Query(table, 0xb, 2, id).Ecx >> 8);
                Assert.Equal(id, Query(table, 1, 0, id).Ebx >> 24);
                Assert.Equal(perPackage, Query(table, 1, 0, id).Ebx >> 16 & 0xff);
            }
            Assert.Equal(perPackage > 1, (Query(table, 1).Edx & 1u << 28) != 0);
            Assert.Equal(amd && perPackage > 1, (Query(table, 0x8000_0001).Ecx & 2) != 0);
        }
        CpuidTable last = Table(amd: true, topology);
        CpuidRegisters unit = Query(last, 0x8000_001e, 0, (uint)topology.VcpuCount - 1);
        Assert.Equal((uint)(cores - 1) | ((uint)(threads - 1) << 8), unit.Ebx);
        Assert.Equal((uint)(sockets - 1), unit.Ecx);
        Assert.Equal((packageShift << 12) | ((uint)(cores * threads) - 1), Query(last, 0x8000_0008).Ecx);
        Assert.Equal((uint)(cores * threads) - 1, Query(last, 0x8000_001d, 3).Eax >> 14 & 0xfff);
        Assert.Equal((uint)threads - 1, Query(Table(amd: false, topology), 4, 2).Eax >> 14 & 0xfff);
    }

    [Fact]
    public void Out_of_range_leaves_answer_as_the_vendor_does()
    {
        Assert.Equal(default, Query(Table(amd: true), 0x55));
        CpuidTable intel = Table(amd: false);
        Assert.Equal(Query(intel, 0x1f), Query(intel, 0x55));
    }

    [Fact]
    public void Hypervisor_leaves_say_what_is_served()
    {
        CpuidTable table = Table(amd: true);
        Assert.Equal(new CpuidRegisters(0x4000_0010, 0x4b4d_564b, 0x564b_4d56, 0x4d), Query(table, 0x4000_0000));
        Assert.Equal(0x0100_000bu, Query(table, 0x4000_0001).Eax);
        Assert.Equal(2_600_000u, Query(table, 0x4000_0010).Eax);
        Assert.Equal(1_000_000u, Query(table, 0x4000_0010).Ebx);
        Assert.Equal(default, Query(Table(amd: true, remove: ["hypervisor"]), 0x4000_0000));
        Assert.Equal(2u, Query(Table(amd: true, remove: ["kvmclock"]), 0x4000_0001).Eax);
    }

    [Fact]
    public void Models_and_flags_choose_features()
    {
        Assert.False(Table(false, model: "x86-64-v1").Features[CpuFeature.Popcnt]);
        Assert.True(Table(false, model: "x86-64-v2").Features[CpuFeature.Popcnt]);
        Assert.False(Table(false, model: "x86-64-v2").Features[CpuFeature.Xsave]);
        Assert.True(Table(false, model: "x86-64-v3").Features[CpuFeature.Avx2]);
        Assert.False(Table(false, model: "x86-64-v3").Features[CpuFeature.Aes]);
        Assert.True(Table(false, model: "x86-64-v3", add: ["aes"]).Features[CpuFeature.Aes]);
        FeatureSet without = Table(false, remove: ["avx"]).Features;
        Assert.True(without[CpuFeature.Xsave]);
        Assert.False(without[CpuFeature.Avx2] || without[CpuFeature.Fma] || without[CpuFeature.Vaes]);
        Assert.Equal(576u, Query(Table(false, remove: ["avx"]), 0xd).Ecx);
    }

    [Theory]
    [InlineData("pentiun", "", "CPU model 'pentiun' is not known; 'pentium' is like it")]
    [InlineData("max", "avx1024", "CPU feature 'avx1024' is not known; 'avx10' is like it")]
    [InlineData("max", "avx2", "CPU feature avx2 was asked for, which the software engine cannot give on this host: leave out +avx2.")]
    public void What_cannot_be_given_is_said_in_one_sentence(string model, string feature, string expected)
    {
        HostCpuid host = FakeHost.Create(amd: false, withoutLeaf7Ebx: 1 << 5);
        var wanted = new CpuModel(model, feature.Length == 0 ? [] : [feature], []);
        CpuModelException error = Assert.Throws<CpuModelException>(() => new CpuidTable(wanted, One, SoftCpuid.Create(host)));
        Assert.StartsWith(expected, error.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public unsafe void Bits_mirror_the_registers_of_the_vcpu()
    {
        using var m = new ApicMachine();
        SoftVcpu vcpu = m.Vcpu();
        vcpu.Cpuid.Query(1, 0, out _, out _, out uint c, out uint d);
        Assert.Equal((0u, 1u << 9), (c & 1u << 27, d & 1u << 9));
        vcpu.Context->Cr4 |= 1 << 18;
        vcpu.Context->ApicBase = 0xfee0_0100;
        vcpu.Cpuid.Query(1, 0, out _, out _, out c, out d);
        Assert.Equal((1u << 27, 0u), (c & 1u << 27, d & 1u << 9));
        vcpu.Cpuid.Query(0xd, 0, out _, out uint current, out uint most, out _);
        Assert.Equal((576u, 832u), (current, most));
        vcpu.Context->Xcr0 = 7;
        vcpu.Cpuid.Query(0xd, 0, out _, out current, out _, out _);
        Assert.Equal(832u, current);
    }

    [Fact]
    public void Arch_capabilities_repeat_what_the_hosts_kernel_says()
    {
        ulong none = Mitigations.ArchCapabilities(_ => false), all = Mitigations.ArchCapabilities(_ => true);
        Assert.Equal(0ul, none & 0x161);
        Assert.Equal(0x161ul, all & 0x161);
    }
}
