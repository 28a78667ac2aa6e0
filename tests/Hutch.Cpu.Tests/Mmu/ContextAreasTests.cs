using System;
using Hutch.Cpu.Mmu;
using Hutch.Cpu.State;
using Xunit;

namespace Hutch.Cpu.Tests.Mmu;

/// <summary>What stays in the TLBs and jump caches, and what goes (Intel SDM 3A §4.10.4).</summary>
public sealed unsafe class ContextAreasTests : IDisposable
{
    private const ulong Kernel = 0xffff_ffff_8100_0000, Data = 0xffff_8880_0000_5000, Program = 0x5555_5555_4000, EmptyJump = 0x1234;

    private readonly ContextAreas _areas = new(pages: 16);
    private readonly byte[] _page = new byte[1];

    public ContextAreasTests()
    {
        _areas.Initialise(EmptyJump);
        _areas.Select(0x1000, keep: false);
    }

    public void Dispose() => _areas.Dispose();

    [Theory]
    [InlineData(0x1000)]
    [InlineData(0x2000)]
    public void A_load_of_CR3_keeps_what_is_global(ulong cr3)
    {
        Fill(Data, AccessMode.Supervisor, global: true);
        Execute(Kernel, AccessMode.Supervisor, global: true, target: 0x77);
        Fill(Program, AccessMode.User, global: false);
        Execute(Program, AccessMode.User, global: false, target: 0x88);
        // Eight address spaces on, the areas begin to be used again.
        for (ulong other = 0x3000; cr3 != 0x1000 && other < 0xa000; other += 0x1000) _areas.Select(other, keep: false);
        _areas.Select(cr3, keep: false);
        Assert.Equal(Data, Entry(Data, AccessMode.Supervisor)->ReadTag);
        Assert.Equal(0x77ul, Jump(Kernel, AccessMode.Supervisor));
        Assert.NotEqual(Program, Entry(Program, AccessMode.User)->ReadTag);
        Assert.Equal(EmptyJump, Jump(Program, AccessMode.User));
        Assert.Equal(0ul, *_areas.Itlb(Program, user: true));
        Assert.NotEqual(0ul, *_areas.Itlb(Kernel, user: false));
    }

    [Fact]
    public void Supervisor_code_that_is_not_global_goes_with_all_jumps_of_its_level()
    {
        Execute(Kernel, AccessMode.Supervisor, global: true, target: 0x77);
        Execute(Kernel + 0x1000, AccessMode.SupervisorAc, global: false, target: 0x78);
        _areas.Select(0x1000, keep: false);
        Assert.Equal(EmptyJump, Jump(Kernel, AccessMode.Supervisor));
        Assert.Equal(EmptyJump, Jump(Kernel + 0x1000, AccessMode.SupervisorAc));
        Assert.Equal(0ul, *_areas.Itlb(Kernel, user: false));
    }

    [Fact]
    public void Kept_translations_stay_until_their_address_space_is_flushed()
    {
        Fill(Program, AccessMode.User, global: false);
        _areas.Select(0x2000, keep: true);
        _areas.Select(0x1000, keep: true);
        Assert.Equal(Program, Entry(Program, AccessMode.User)->ReadTag);
        _areas.Select(0x1000, keep: false);
        Assert.NotEqual(Program, Entry(Program, AccessMode.User)->ReadTag);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void INVLPG_drops_a_page_global_or_not(bool global)
    {
        Fill(Data, AccessMode.Supervisor, global);
        Fill(Data + 0x1000, AccessMode.Supervisor, global);
        Execute(Kernel, AccessMode.Supervisor, global, target: 0x77);
        _areas.InvalidatePage(Data);
        Assert.NotEqual(Data, Entry(Data, AccessMode.Supervisor)->ReadTag);
        Assert.Equal(Data + 0x1000, Entry(Data + 0x1000, AccessMode.Supervisor)->ReadTag);
        Assert.Equal(0x77ul, Jump(Kernel, AccessMode.Supervisor));
        _areas.InvalidatePage(Kernel);
        Assert.Equal(EmptyJump, Jump(Kernel, AccessMode.Supervisor));
        Assert.Equal(0ul, *_areas.Itlb(Kernel, user: false));
    }

    [Fact]
    public void INVLPG_of_an_address_in_a_large_page_of_code_drops_its_jumps_and_no_other_does()
    {
        Execute(Kernel, AccessMode.Supervisor, global: true, target: 0x77, large: true);
        for (ulong page = 0; page < 4096; page++) _areas.InvalidatePage(0x7ffc_0000_0000 + (page << 12));
        Assert.Equal(0x77ul, Jump(Kernel, AccessMode.Supervisor));
        _areas.InvalidatePage(Kernel + 0x1f_f000);
        Assert.Equal(EmptyJump, Jump(Kernel, AccessMode.Supervisor));
    }

    [Fact]
    public void Code_of_more_pages_than_are_remembered_goes_with_any_page()
    {
        for (ulong page = 0; page < 3000; page++) Execute(Program + (page << 12), AccessMode.User, global: false, target: 0x77);
        _areas.InvalidatePage(Data);
        Assert.Equal(EmptyJump, Jump(Program + (2999ul << 12), AccessMode.User));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_full_flush_leaves_nothing(bool global)
    {
        // More than the logs hold.
        for (ulong i = 0; i < 5000; i++)
        {
            Fill(Data + (i << 12), AccessMode.Supervisor, global);
            Execute(Kernel + i * 2, AccessMode.Supervisor, global, target: 0x77);
        }
        _areas.FlushAll();
        for (ulong i = 0; i < 5000; i++)
        {
            Assert.NotEqual(Data + (i << 12), Entry(Data + (i << 12), AccessMode.Supervisor)->ReadTag);
            Assert.Equal(EmptyJump, Jump(Kernel + i * 2, AccessMode.Supervisor));
        }
    }

    [Fact]
    public void A_local_entry_whose_place_a_global_one_took_does_not_take_it_along()
    {
        Fill(Data + (ContextLayout.TlbEntries << 12), AccessMode.Supervisor, global: false);
        Fill(Data, AccessMode.Supervisor, global: true);
        _areas.FlushPcid(0);
        Assert.Equal(Data, Entry(Data, AccessMode.Supervisor)->ReadTag);
    }

    private void Fill(ulong linear, AccessMode mode, bool global)
    {
        PageTranslation page = new() { PhysicalPage = 0x3000, Writable = true, Global = global };
        fixed (byte* host = _page) _ = _areas.Fill(linear, mode, page, host, pageIndex: 3, writable: true);
    }

    private void Execute(ulong rip, AccessMode mode, bool global, ulong target, bool large = false)
    {
        bool user = mode == AccessMode.User;
        *_areas.Itlb(rip, user) = ContextAreas.PackItlb(rip, 0x4000);
        _areas.NoteExecution(rip, user, new PageTranslation { PhysicalPage = 0x4000, Global = global, Large = large });
        _areas.FillJump(rip, mode, target);
    }

    private TlbEntry* Entry(ulong linear, AccessMode mode) =>
        (TlbEntry*)(_areas.Current + ContextLayout.Tlb + (int)mode * ContextLayout.TlbStride + (int)((linear >> 7) & ContextLayout.TlbIndexMask));

    private ulong Jump(ulong rip, AccessMode mode) =>
        *(ulong*)(_areas.Current + ContextLayout.JumpCache + (int)mode * ContextLayout.JumpCacheStride + ContextLayout.JumpSlot(rip));
}
