using System;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Mmu;

/// <summary>
/// One context area: the TLBs and jump caches of an address space. Translations of global pages are good in every address space, so they stay
/// when the area's other ones go (Intel SDM 3A §4.10.2.4).
/// </summary>
internal sealed unsafe class ContextArea
{
    /// <summary>The key of an area that belongs to no address space.</summary>
    public const ulong NoKey = ulong.MaxValue;

    private const ulong InvalidTag = 0x8000_0000_0000_0000, InvalidTagOfItsSlot = 0x8000_0000_0000_1000;
    private const int LogEntries = 2048;

    private readonly int[] _tlbLog = new int[LogEntries];
    private readonly bool[] _largeRegions = new bool[1024], _hugeRegions = new bool[256];
    private readonly ExecutedCode _supervisor, _user;
    private int _tlbCount;
    private bool _hasGlobal;

    /// <param name="base">First byte of the area.</param>
    public ContextArea(byte* @base)
    {
        Base = @base;
        _supervisor = new ExecutedCode(@base, AccessMode.Supervisor, AccessMode.SupervisorAc, ContextLayout.Itlb);
        _user = new ExecutedCode(@base, AccessMode.User, AccessMode.User, ContextLayout.Itlb + ContextLayout.ItlbStride);
    }

    /// <summary>First byte of the area.</summary>
    public byte* Base { get; }

    /// <summary>The address space: table address and PCID, or <see cref="NoKey"/>.</summary>
    public ulong Key { get; set; } = NoKey;

    /// <summary>Fills the data TLB's entry of a page.</summary>
    public TlbEntry* Fill(ulong linear, AccessMode mode, in PageTranslation page, byte* host, bool writable)
    {
        int offset = ContextLayout.Tlb + (int)mode * ContextLayout.TlbStride + (int)((linear >> 7) & ContextLayout.TlbIndexMask);
        TlbEntry* entry = (TlbEntry*)(Base + offset);
        ulong tag = linear & ~0xfffUL;
        if (page.Global) _hasGlobal = true;
        else
        {
            if (_tlbCount < LogEntries) _tlbLog[_tlbCount] = offset;
            _tlbCount++;
        }
        entry->ReadTag = tag;
        entry->WriteTag = writable ? tag : Invalid(SlotAt(offset));
        entry->HostPage = (ulong)host;
        entry->Meta = page.PhysicalPage | (page.Large ? 1u : 0) | (page.Global ? TlbEntry.GlobalBit : 0);
        NoteSize(linear, page);
        return entry;
    }

    /// <summary>Remembers a host address for an indirect jump.</summary>
    public void FillJump(ulong rip, AccessMode mode, ulong target) => (mode == AccessMode.User ? _user : _supervisor).FillJump(rip, mode, target);

    /// <summary>Code of this page is about to run: INVLPG of it must look at the jump caches.</summary>
    public void NoteExecution(ulong rip, bool user, in PageTranslation page)
    {
        (user ? _user : _supervisor).Note(rip, page);
        NoteSize(rip, page);
    }

    /// <summary>Drops an address, with all fragments of a large page around it.</summary>
    public void InvalidatePage(ulong linear, ulong emptyJump)
    {
        if (_hugeRegions[HugeHash(linear)])
        {
            Flush(emptyJump);
            return;
        }
        for (int mode = 0; mode < 3; mode++) InvalidateTlb(mode, linear);
        _supervisor.InvalidatePage(linear, emptyJump);
        _user.InvalidatePage(linear, emptyJump);
    }

    /// <summary>Empties the area but for what is global.</summary>
    public void FlushLocal(ulong emptyJump)
    {
        ClearLocalTlb();
        _user.Flush(emptyJump);
        if (_supervisor.HasLocal) _supervisor.Flush(emptyJump);
    }

    /// <summary>Empties the area.</summary>
    public void Flush(ulong emptyJump)
    {
        if (_hasGlobal) ClearTlb();
        else ClearLocalTlb();
        _tlbCount = 0;
        _hasGlobal = false;
        Array.Clear(_largeRegions);
        Array.Clear(_hugeRegions);
        FlushExecution(emptyJump);
    }

    /// <summary>Empties jump caches and instruction TLBs.</summary>
    public void FlushExecution(ulong emptyJump)
    {
        _supervisor.Flush(emptyJump);
        _user.Flush(emptyJump);
    }

    /// <summary>Gives memory that was never used its empty form.</summary>
    public void Initialise(ulong emptyJump)
    {
        ClearTlb();
        _supervisor.FlushWhole(emptyJump);
        _user.FlushWhole(emptyJump);
    }

    /// <summary>Takes the right to write to a physical page from every entry.</summary>
    public void DropWriteTags(ulong physicalPage)
    {
        TlbEntry* entries = (TlbEntry*)(Base + ContextLayout.Tlb);
        for (int slot = 0; slot < 3 * ContextLayout.TlbEntries; slot++) DropWriteTag(entries + slot, slot, physicalPage);
    }

    /// <summary>Takes the right to write from every entry.</summary>
    public void DropAllWriteTags()
    {
        TlbEntry* entries = (TlbEntry*)(Base + ContextLayout.Tlb);
        for (int slot = 0; slot < 3 * ContextLayout.TlbEntries; slot++) entries[slot].WriteTag = Invalid(slot);
    }

    /// <summary>Takes the right to write to a physical page from the entry at an offset of the area.</summary>
    public void DropWriteTag(int offset, ulong physicalPage) => DropWriteTag((TlbEntry*)(Base + offset), SlotAt(offset), physicalPage);

    private static void DropWriteTag(TlbEntry* entry, int slot, ulong physicalPage)
    {
        if ((entry->Meta & ~0xfffUL) == physicalPage) entry->WriteTag = Invalid(slot);
    }

    private void InvalidateTlb(int mode, ulong linear)
    {
        TlbEntry* table = (TlbEntry*)(Base + ContextLayout.Tlb + mode * ContextLayout.TlbStride);
        int slot = (int)((linear >> 12) & (ContextLayout.TlbEntries - 1));
        Clear(table + slot, slot);
        if (!_largeRegions[RegionHash(linear)]) return;
        int first = slot & ~511;
        ulong region = linear >> 21;
        for (int i = first; i < first + 512; i++)
            if (table[i].ReadTag >> 21 == region && (table[i].Meta & 1) != 0) Clear(table + i, i);
    }

    private void NoteSize(ulong linear, in PageTranslation page)
    {
        if (page.Large) _largeRegions[RegionHash(linear)] = true;
        if (page.Huge) _hugeRegions[HugeHash(linear)] = true;
    }

    private void ClearLocalTlb()
    {
        if (_tlbCount > LogEntries)
        {
            TlbEntry* entries = (TlbEntry*)(Base + ContextLayout.Tlb);
            for (int slot = 0; slot < 3 * ContextLayout.TlbEntries; slot++) ClearLocal(entries + slot, slot);
        }
        else
            for (int i = 0; i < _tlbCount; i++) ClearLocal((TlbEntry*)(Base + _tlbLog[i]), SlotAt(_tlbLog[i]));
        _tlbCount = 0;
    }

    private void ClearTlb()
    {
        TlbEntry* entries = (TlbEntry*)(Base + ContextLayout.Tlb);
        for (int slot = 0; slot < 3 * ContextLayout.TlbEntries; slot++) Clear(entries + slot, slot);
    }

    // Another page's entry, a global one, may have taken the place of one in the log. Meta of an empty entry has every bit set.
    private static void ClearLocal(TlbEntry* entry, int slot)
    {
        if ((entry->Meta & TlbEntry.GlobalBit) == 0) Clear(entry, slot);
    }

    private static void Clear(TlbEntry* entry, int slot)
    {
        entry->ReadTag = entry->WriteTag = Invalid(slot);
        entry->Meta = ulong.MaxValue;
    }

    private static int SlotAt(int offset) => (offset - ContextLayout.Tlb) / ContextLayout.TlbEntryBytes;

    // The tag must not be within a page of any address that indexes this slot: 2^63 indexes slot 0, so slot 0 holds 2^63 + 4096 (slot 1).
    private static ulong Invalid(int slot) => (slot & (ContextLayout.TlbEntries - 1)) == 0 ? InvalidTagOfItsSlot : InvalidTag;

    private static int RegionHash(ulong linear) => (int)((linear >> 21) * 0x9e37_79b9_7f4a_7c15 >> 54);

    private static int HugeHash(ulong linear) => (int)((linear >> 30) * 0x9e37_79b9_7f4a_7c15 >> 56);
}
