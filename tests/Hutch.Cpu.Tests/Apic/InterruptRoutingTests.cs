using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Core.Engine;
using Hutch.Core.Interrupts;
using Hutch.Cpu.Msr;
using Xunit;

namespace Hutch.Cpu.Tests.Apic;

public sealed class InterruptRoutingTests
{
    private const uint SelfIpi = 0x83f, Icr = 0x830;

    private static int[] Receivers(ApicMachine m) =>
        [.. Enumerable.Range(0, m.Machine.SoftVcpus.Length).Where(i => m.Pending(i) >= 0)];

    private static void Send(ApicMachine m, uint destination, uint low)
    {
        m.Write(0, ApicMachine.IcrHigh, destination << 24);
        m.Write(0, ApicMachine.IcrLow, low);
    }

    [Theory]
    [InlineData(2u, 0x40u, new[] { 2 })]
    [InlineData(0xffu, 0x40u, new[] { 0, 1, 2, 3 })]
    [InlineData(0u, 0x4_0040u, new[] { 0 })]
    [InlineData(0u, 0x8_0040u, new[] { 0, 1, 2, 3 })]
    [InlineData(0u, 0xc_0040u, new[] { 1, 2, 3 })]
    [InlineData(9u, 0x40u, new int[0])]
    public void Physical_destinations_and_shorthands(uint destination, uint low, int[] expected)
    {
        using var m = new ApicMachine(4);
        Send(m, destination, low);
        Assert.Equal(expected, Receivers(m));
    }

    [Theory]
    [InlineData(0x0au, new[] { 1, 3 })]
    [InlineData(0xffu, new[] { 0, 1, 2, 3 })]
    [InlineData(0x10u, new int[0])]
    public void Flat_logical_destinations(uint destination, int[] expected)
    {
        using var m = new ApicMachine(4);
        for (int i = 0; i < 4; i++) m.Write(i, ApicMachine.Ldr, 1u << (24 + i));
        Send(m, destination, 0x840);
        Assert.Equal(expected, Receivers(m));
    }

    [Theory]
    [InlineData(0x03u, new[] { 0, 1 })]
    [InlineData(0x11u, new[] { 2 })]
    [InlineData(0x1fu, new[] { 2, 3 })]
    [InlineData(0x2fu, new int[0])]
    public void Cluster_logical_destinations(uint destination, int[] expected)
    {
        using var m = new ApicMachine(4);
        for (int i = 0; i < 4; i++)
        {
            m.Write(i, ApicMachine.Dfr, 0);
            m.Write(i, ApicMachine.Ldr, (uint)(((i >> 1) << 4) | (1 << (i & 1))) << 24);
        }
        Send(m, destination, 0x840);
        Assert.Equal(expected, Receivers(m));
    }

    [Theory]
    [InlineData(0x0000_0006_0000_0840ul, new[] { 1, 2 })]
    [InlineData(0x0001_0001_0000_0840ul, new[] { 16 })]
    [InlineData(0x0000_0011_0000_0040ul, new[] { 17 })]
    [InlineData(0xffff_ffff_0000_0040ul, new[] { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17 })]
    public void X2apic_destinations(ulong icr, int[] expected)
    {
        using var m = new ApicMachine(18);
        for (int i = 0; i < 18; i++) m.EnterX2Apic(i);
        Assert.Equal(0x0001_0002ul, m.Msr(17, 0x80d));
        Assert.True(m.WriteMsr(0, Icr, icr));
        Assert.Equal(expected, Receivers(m));
    }

    [Fact]
    public void Lowest_priority_picks_the_least_busy_and_takes_turns()
    {
        using var m = new ApicMachine(3);
        for (int i = 0; i < 3; i++) m.Write(i, ApicMachine.Ldr, 1u << (24 + i));
        m.Write(0, ApicMachine.Tpr, 0x50);
        var chosen = new HashSet<int>();
        for (uint vector = 0x60; vector < 0x64; vector++)
        {
            m.Machine.Interrupts.SignalMsi(new MsiMessage(0xfee0_700c, 0x100 | vector));
            for (int i = 0; i < 3; i++)
                if (m.Apic(i).Irr[(int)vector]) chosen.Add(i);
        }
        Assert.Equal([1, 2], chosen.Order());
    }

    [Theory]
    [InlineData(0xfee0_1000ul, 0x41u, 1, false)]
    [InlineData(0xfee0_1000ul, 0xc041u, 1, true)]
    [InlineData(0xfee0_2004ul, 0x41u, 1, false)]
    public void Msi_addresses_and_data_are_decoded(ulong address, uint data, int target, bool level)
    {
        using var m = new ApicMachine(2);
        for (int i = 0; i < 2; i++) m.Write(i, ApicMachine.Ldr, 1u << (24 + i));
        m.Machine.Interrupts.SignalMsi(new MsiMessage(address, data));
        Assert.Equal([target], Receivers(m));
        Assert.Equal(0x41, m.Pending(target));
        Assert.Equal(level, m.Apic(target).Tmr[0x41]);
    }

    [Fact]
    public void Msi_reaches_apics_in_x2apic_mode_by_its_eight_bits()
    {
        using var m = new ApicMachine(3);
        for (int i = 0; i < 3; i++) m.EnterX2Apic(i);
        m.Machine.Interrupts.SignalMsi(new MsiMessage(0xfee0_2000, 0x55));
        Assert.Equal([2], Receivers(m));
    }

    [Fact]
    public void Ending_a_level_triggered_interrupt_tells_the_machine()
    {
        using var m = new ApicMachine();
        var exits = new RecordingExits();
        m.Vcpu().RequestStop();
        m.Vcpu().Run(exits);
        foreach (uint data in new uint[] { 0x8041, 0x52 })
        {
            m.Machine.Interrupts.SignalMsi(new MsiMessage(0xfee0_0000, data));
            m.Apic().Acknowledge((byte)m.Pending());
            m.Write(0, ApicMachine.Eoi, 0);
        }
        Assert.Equal([0x41], exits.Ended);
        // The same vector, now edge-triggered.
        m.Machine.Interrupts.SignalMsi(new MsiMessage(0xfee0_0000, 0x41));
        m.Apic().Acknowledge((byte)m.Pending());
        m.Write(0, ApicMachine.Eoi, 0);
        Assert.Equal([0x41], exits.Ended);
    }

    [Fact]
    public void Self_ipi_and_its_illegal_vectors()
    {
        using var m = new ApicMachine();
        m.EnterX2Apic(0);
        Assert.True(m.WriteMsr(0, SelfIpi, 0x70));
        Assert.Equal(0x70, m.Pending());
        Assert.False(m.WriteMsr(0, SelfIpi, 0x100));
        Assert.False(m.Vcpu().Msrs.ReadMsr(SelfIpi, out _));
        Assert.True(m.WriteMsr(0, SelfIpi, 3));
        Assert.True(m.WriteMsr(0, 0x828, 0));
        Assert.Equal(1ul << 5, m.Msr(0, 0x828));
    }

    [Fact]
    public void Apic_base_transitions_follow_the_state_diagram()
    {
        using var m = new ApicMachine(2);
        const ulong Base = 0xfee0_0000, On = 1 << 11, X2 = 1 << 10, Boot = 1 << 8;
        Assert.Equal(Base | On | Boot, m.Msr(0, MsrIndex.ApicBase));
        Assert.Equal(Base | On, m.Msr(1, MsrIndex.ApicBase));
        Assert.False(m.WriteMsr(0, MsrIndex.ApicBase, Base | X2 | Boot));
        Assert.True(m.WriteMsr(0, MsrIndex.ApicBase, Base | On | X2 | Boot));
        Assert.False(m.Apic().ClaimsMmio(0xfee0_0000));
        Assert.False(m.WriteMsr(0, MsrIndex.ApicBase, Base | On | Boot));
        Assert.True(m.WriteMsr(0, MsrIndex.ApicBase, Base | Boot));
        Assert.False(m.WriteMsr(0, MsrIndex.ApicBase, Base | On | X2 | Boot));
        Assert.True(m.WriteMsr(0, MsrIndex.ApicBase, Base | On | Boot));
        Assert.Equal(0xffu, m.Read(0, ApicMachine.Svr));
        Assert.False(m.WriteMsr(0, MsrIndex.ApicBase, Base | On | Boot | 1));
        Assert.False(m.WriteMsr(0, MsrIndex.ApicBase, Base | On | Boot | (1UL << 40)));
        Assert.True(m.WriteMsr(0, MsrIndex.ApicBase, 0x4200_0000 | On | Boot));
        Assert.True(m.Apic().ClaimsMmio(0x4200_0020));
        Assert.False(m.Apic().ClaimsMmio(0xfee0_0020));
    }

    [Theory]
    [InlineData(0x802, true, false)]
    [InlineData(0x803, true, false)]
    [InlineData(0x808, true, true)]
    [InlineData(0x809, false, false)]
    [InlineData(0x80a, true, false)]
    [InlineData(0x80b, false, true)]
    [InlineData(0x80d, true, false)]
    [InlineData(0x80e, false, false)]
    [InlineData(0x80f, true, true)]
    [InlineData(0x810, true, false)]
    [InlineData(0x827, true, false)]
    [InlineData(0x828, true, true)]
    [InlineData(0x82f, false, false)]
    [InlineData(0x831, false, false)]
    [InlineData(0x832, true, true)]
    [InlineData(0x837, true, true)]
    [InlineData(0x838, true, true)]
    [InlineData(0x839, true, false)]
    [InlineData(0x83a, false, false)]
    [InlineData(0x83e, true, true)]
    [InlineData(0x83f, false, true)]
    [InlineData(0x8ff, false, false)]
    public void X2apic_registers_fault_as_documented(uint index, bool readable, bool writable)
    {
        using var m = new ApicMachine();
        Assert.False(m.Vcpu().Msrs.ReadMsr(index, out _));
        Assert.False(m.WriteMsr(0, index, 0));
        m.EnterX2Apic(0);
        Assert.Equal(readable, m.Vcpu().Msrs.ReadMsr(index, out _));
        Assert.Equal(writable, m.WriteMsr(0, index, 0));
        if (index != Icr) Assert.False(m.WriteMsr(0, index, ulong.MaxValue));
    }

    [Fact]
    public void A_million_random_accesses_do_no_harm()
    {
        const int Seed = 20261121;
        using var m = new ApicMachine(3);
        var random = new Random(Seed);
        Span<byte> data = stackalloc byte[8];
        for (int i = 0; i < 1_000_000; i++)
        {
            int vcpu = random.Next(3), size = 1 << random.Next(4);
            int offset = random.Next(2) == 0 ? random.Next(0x40) * 16 : random.Next(4096);
            ulong value = random.Next(3) == 0 ? (ulong)random.NextInt64() : (ulong)random.Next(0x10000);
            BitConverter.TryWriteBytes(data, value);
            uint msr = 0x800u + (uint)random.Next(256);
            switch (random.Next(8))
            {
                case 0: m.Apic(vcpu).ReadMmio((ulong)offset, data[..size]); break;
                case 1: case 2: m.Apic(vcpu).WriteMmio((ulong)offset, data[..size]); break;
                case 3: m.Vcpu(vcpu).Msrs.ReadMsr(msr, out _); break;
                case 4: case 5: m.WriteMsr(vcpu, msr, value); break;
                case 6: m.Machine.Interrupts.SignalMsi(new MsiMessage(0xfee0_0000 | (value & 0xf_ffff), (uint)value)); break;
                default:
                    if (i % 64 == 0) m.WriteMsr(vcpu, MsrIndex.ApicBase, 0xfee0_0000 | (ulong)(random.Next(4) << 10));
                    m.Timers.Advance(random.Next(100_000));
                    if (m.Apic(vcpu).TryGetInterrupt(true, out bool ext, out byte vector) && !ext) m.Apic(vcpu).Acknowledge(vector);
                    m.Apic(vcpu).TakeInit();
                    m.Apic(vcpu).TakeSipi();
                    m.Apic(vcpu).TakeNmi();
                    break;
            }
        }
        foreach (SoftVcpu vcpu in m.Machine.SoftVcpus) Assert.InRange(vcpu.Apic.ProcessorPriority, 0, 255);
    }

    private sealed class RecordingExits : IVcpuExits
    {
        public List<int> Ended { get; } = [];

        public void ReadPort(ushort port, Span<byte> data) => data.Fill(0xff);
        public void WritePort(ushort port, ReadOnlySpan<byte> data) { }
        public void ReadMmio(ulong address, Span<byte> data) => data.Fill(0xff);
        public void WriteMmio(ulong address, ReadOnlySpan<byte> data) { }
        public void EndOfInterrupt(byte vector) => Ended.Add(vector);
        public int AcknowledgeExternalInterrupt() => -1;
    }
}
