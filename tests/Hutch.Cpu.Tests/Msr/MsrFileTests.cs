using System;
using System.Collections.Generic;
using Hutch.Cpu.Msr;
using Hutch.Cpu.State;
using Hutch.Cpu.Tests.Apic;
using Xunit;

namespace Hutch.Cpu.Tests.Msr;

public sealed unsafe class MsrFileTests
{
    private const ulong NonCanonical = 0x8000_0000_0000;

    [Theory]
    [InlineData(MsrIndex.Lstar)]
    [InlineData(MsrIndex.Cstar)]
    [InlineData(MsrIndex.FsBase)]
    [InlineData(MsrIndex.GsBase)]
    [InlineData(MsrIndex.KernelGsBase)]
    [InlineData(MsrIndex.SysenterEsp)]
    [InlineData(MsrIndex.SysenterEip)]
    public void Addresses_must_be_canonical(uint index)
    {
        using var m = new ApicMachine();
        Assert.True(m.WriteMsr(0, index, 0xffff_8000_1234_5678));
        Assert.False(m.WriteMsr(0, index, NonCanonical));
        Assert.Equal(0xffff_8000_1234_5678, m.Msr(0, index));
    }

    [Fact]
    public void Efer_keeps_lma_and_refuses_reserved_bits_and_lme_under_paging()
    {
        using var m = new ApicMachine();
        Assert.False(m.WriteMsr(0, MsrIndex.Efer, 1 << 12));
        Assert.True(m.WriteMsr(0, MsrIndex.Efer, 0xd01));
        Assert.Equal(0x901ul, m.Msr(0, MsrIndex.Efer));
        VcpuContext* c = m.Vcpu().Context;
        c->Cr0 |= 1UL << 31;
        c->Efer |= 1 << 10;
        Assert.False(m.WriteMsr(0, MsrIndex.Efer, 0x801));
        Assert.True(m.WriteMsr(0, MsrIndex.Efer, 0x101));
        Assert.Equal(0x501ul, m.Msr(0, MsrIndex.Efer));
    }

    [Theory]
    [InlineData(MsrIndex.Pat, 0x0606_0606_0606_0607, true)]
    [InlineData(MsrIndex.Pat, 0x0606_0606_0606_0602, false)]
    [InlineData(MsrIndex.MtrrDefType, 0xc06, true)]
    [InlineData(MsrIndex.MtrrDefType, 0x802, false)]
    [InlineData(MsrIndex.MtrrDefType, 0x1006, false)]
    [InlineData(0x250, 0x0605_0401_0006_0606, true)]
    [InlineData(0x250, 0x07, false)]
    [InlineData(0x200, 0xc000_0000, true)]
    [InlineData(0x200, 0xc000_0002, false)]
    [InlineData(0x201, 0xff_c000_0800, true)]
    [InlineData(0x201, 0x1ff_c000_0800, false)]
    [InlineData(0x210, 0, false)]
    [InlineData(MsrIndex.MtrrCap, 0, false)]
    [InlineData(MsrIndex.McgStatus, 4, true)]
    [InlineData(MsrIndex.TscAux, 0x1_0000_0000, false)]
    [InlineData(0x1234_5678, 0, false)]
    public void Writes_are_checked(uint index, ulong value, bool valid)
    {
        using var m = new ApicMachine();
        Assert.Equal(valid, m.WriteMsr(0, index, value));
        if (valid) Assert.Equal(value, m.Msr(0, index));
    }

    [Fact]
    public void Tsc_adjust_follows_writes_of_the_tsc()
    {
        using var m = new ApicMachine();
        ulong before = m.Msr(0, MsrIndex.Tsc);
        Assert.True(m.WriteMsr(0, MsrIndex.Tsc, before + 5000));
        Assert.Equal(5000ul, m.Msr(0, MsrIndex.TscAdjust));
        Assert.True(m.WriteMsr(0, MsrIndex.TscAdjust, 0));
        Assert.Equal(before, m.Msr(0, MsrIndex.Tsc));
    }

    [Fact]
    public void All_vcpus_begin_with_one_tsc()
    {
        using var m = new ApicMachine(2);
        Assert.Equal(m.Msr(0, MsrIndex.Tsc), m.Msr(1, MsrIndex.Tsc));
        Assert.Equal(52_000_000ul, m.Msr(0, MsrIndex.Tsc));
    }

    [Fact]
    public void Reset_brings_back_what_a_guest_changed()
    {
        using var m = new ApicMachine();
        var fresh = new Dictionary<uint, ulong>();
        m.Vcpu().Msrs.Save(fresh);
        foreach (uint index in fresh.Keys) m.WriteMsr(0, index, index == MsrIndex.Pat ? 0x0606_0606_0606_0606ul : 6);
        m.Vcpu().Reset();
        var again = new Dictionary<uint, ulong>();
        m.Vcpu().Msrs.Save(again);
        Assert.Equal(fresh, again);
    }

    [Fact]
    public void Saved_values_restore_and_time_is_left_alone()
    {
        using var m = new ApicMachine();
        m.WriteMsr(0, MsrIndex.Lstar, 0x1234);
        m.WriteMsr(0, MsrIndex.MtrrDefType, 0x806);
        var saved = new Dictionary<uint, ulong>();
        m.Vcpu().Msrs.Save(saved);
        Assert.False(saved.ContainsKey(MsrIndex.Tsc));
        using var other = new ApicMachine();
        other.Vcpu().Msrs.RestoreApicBase(saved);
        other.Vcpu().Msrs.RestoreRest(saved);
        Assert.Equal(0x1234ul, other.Msr(0, MsrIndex.Lstar));
        Assert.Equal(0x806ul, other.Msr(0, MsrIndex.MtrrDefType));
    }

    [Fact]
    public void Random_indexes_and_values_never_throw()
    {
        const int Seed = 4711;
        using var m = new ApicMachine();
        var random = new Random(Seed);
        uint[] bases = [0, 0x100, 0x200, 0x800, 0x4b56_4d00, 0xc000_0080, 0xc001_0000, 0xc001_1000];
        for (int i = 0; i < 1_000_000; i++)
        {
            uint index = bases[random.Next(bases.Length)] + (uint)random.Next(0x200);
            if (random.Next(2) == 0) m.Vcpu().Msrs.ReadMsr(index, out _);
            else m.WriteMsr(0, index, random.Next(2) == 0 ? (ulong)random.NextInt64() : (ulong)random.Next(0x1000));
        }
    }
}
