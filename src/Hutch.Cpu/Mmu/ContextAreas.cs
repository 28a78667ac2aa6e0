using System;
using Hutch.Cpu.State;
using Hutch.Host.Memory;

namespace Hutch.Cpu.Mmu;

/// <summary>
/// The context areas of one vCPU and which address space each belongs to. A CR3 load picks the area of that (table, PCID) pair or
/// recycles the oldest. All methods run on the vCPU's thread (or while it is stopped).
/// </summary>
internal sealed unsafe class ContextAreas : IDisposable
{
    private const ulong InvalidTag = 0x8000_0000_0000_0000, InvalidTagOfItsSlot = 0x8000_0000_0000_1000;
    private const int LogEntries = 2048;

    private readonly AliasedRegion _region;
    private const uint ManySlots = uint.MaxValue;

    private readonly MappedRegion _writeSlotMemory;
    private readonly uint* _writeSlots;
    private readonly Area[] _areas = new Area[ContextLayout.Areas];
    private int _current, _next;

    /// <param name="ramPages">Guest RAM in 4 KiB pages.</param>
    public ContextAreas(int ramPages)
    {
        // Per RAM page: 0, or 1 + offset of the one TLB entry that ever had a write tag for it, or ManySlots.
        _writeSlotMemory = MappedRegion.Allocate((ulong)ramPages * sizeof(uint), "Write tag index");
        _writeSlots = (uint*)_writeSlotMemory.Start;
        _region = AliasedRegion.Allocate(ContextLayout.StateBytes, ContextLayout.AreaBytes, ContextLayout.Areas, "vCPU context");
        for (int i = 0; i < _areas.Length; i++) _areas[i] = new Area(_region.Start + (long)i * ContextLayout.AreaBytes);
    }

    /// <summary>The state, through the first area.</summary>
    public VcpuContext* State => (VcpuContext*)_region.Start;

    /// <summary>Host address of the current area.</summary>
    public byte* Current => _areas[_current].Base;

    /// <summary>What every jump cache slot holds while empty. Set once, before code runs.</summary>
    public ulong EmptyJump { get; private set; }

    /// <summary>Sets the host address that empty jump cache slots lead to, and empties everything.</summary>
    public void Initialise(ulong emptyJump)
    {
        EmptyJump = emptyJump;
        foreach (Area area in _areas) FlushWhole(area);
        _current = 0;
        _areas[0].Key = 0;
        State->ContextBase = (ulong)Current;
    }

    /// <summary>Makes the area of an address space current. <paramref name="keep"/>: its entries may stay (PCID with the no-flush bit).</summary>
    public void Select(ulong key, bool keep)
    {
        int found = -1;
        for (int i = 0; i < _areas.Length; i++)
            if (_areas[i].Key == key) { found = i; break; }
        if (found < 0)
        {
            found = _next;
            _next = (_next + 1) % _areas.Length;
            Flush(_areas[found]);
            _areas[found].Key = key;
        }
        else if (!keep) Flush(_areas[found]);
        _current = found;
        State->ContextBase = (ulong)Current;
    }

    /// <summary>Empties every area.</summary>
    public void FlushAll()
    {
        foreach (Area area in _areas) Flush(area);
    }

    /// <summary>Empties the areas of one PCID other than the current one, or of all PCIDs with the given low 12 key bits.</summary>
    public void FlushPcid(ulong pcid)
    {
        foreach (Area area in _areas)
            if ((area.Key & 0xfff) == pcid) Flush(area);
    }

    /// <summary>Removes every write tag of a page, in all areas: it is about to hold translated code.</summary>
    public void DropWriteTags(int pageIndex, ulong physicalPage)
    {
        uint slotOfPage = _writeSlots[pageIndex];
        _writeSlots[pageIndex] = 0;
        if (slotOfPage == 0) return;
        if (slotOfPage != ManySlots)
        {
            ulong offset = slotOfPage - 1;
            TlbEntry* only = (TlbEntry*)(_region.Start + offset);
            if ((only->Meta & ~0xfffUL) == physicalPage)
                only->WriteTag = Invalid(((int)(offset % ContextLayout.AreaBytes) - ContextLayout.Tlb) / ContextLayout.TlbEntryBytes);
            return;
        }
        foreach (Area area in _areas)
            for (int slot = 0; slot < 3 * ContextLayout.TlbEntries; slot++)
            {
                TlbEntry* entry = (TlbEntry*)(area.Base + ContextLayout.Tlb) + slot;
                if ((entry->Meta & ~0xfffUL) == physicalPage) entry->WriteTag = Invalid(slot);
            }
    }

    /// <summary>Fills the entry of a page in the current area.</summary>
    public TlbEntry* Fill(ulong linear, AccessMode mode, in PageTranslation page, byte* host, int pageIndex, bool writable)
    {
        Area area = _areas[_current];
        int offset = ContextLayout.Tlb + (int)mode * ContextLayout.TlbStride + (int)((linear >> 7) & ContextLayout.TlbIndexMask);
        TlbEntry* entry = (TlbEntry*)(area.Base + offset);
        ulong tag = linear & ~0xfffUL;
        if (area.TlbCount < LogEntries) area.TlbLog[area.TlbCount] = offset;
        area.TlbCount++;
        entry->ReadTag = tag;
        entry->WriteTag = writable ? tag : Invalid((offset - ContextLayout.Tlb) / ContextLayout.TlbEntryBytes);
        entry->HostPage = (ulong)host;
        entry->Meta = page.PhysicalPage | (page.Large ? 1u : 0) | (page.Global ? 2u : 0);
        if (page.Large) area.LargeRegions[RegionHash(linear)] = true;
        if (page.Huge) area.HugeRegions[HugeHash(linear)] = true;
        if (writable)
        {
            uint slot = (uint)((byte*)entry - _region.Start) + 1;
            if (_writeSlots[pageIndex] != slot) _writeSlots[pageIndex] = _writeSlots[pageIndex] == 0 ? slot : ManySlots;
        }
        return entry;
    }

    /// <summary>Remembers a host address for an indirect jump in the current area.</summary>
    public void FillJump(ulong rip, AccessMode mode, ulong target)
    {
        Area area = _areas[_current];
        int offset = ContextLayout.JumpCache + (int)mode * ContextLayout.JumpCacheStride + (int)((rip >> 1) & (ContextLayout.JumpCacheEntries - 1)) * 8;
        if (area.JumpCount < LogEntries) area.JumpLog[area.JumpCount] = offset;
        area.JumpCount++;
        *(ulong*)(area.Base + offset) = target;
    }

    /// <summary>The instruction TLB entry of an address in the current area.</summary>
    public ulong* Itlb(ulong rip, bool user) =>
        (ulong*)(Current + ContextLayout.Itlb + (user ? ContextLayout.ItlbStride : 0)) + ((rip >> 12) & (ContextLayout.ItlbEntries - 1));

    /// <summary>The instruction TLB's packed form of a translation (and the value that translated code compares with).</summary>
    public static ulong PackItlb(ulong rip, ulong physicalPage) => ((rip >> 12) << 28) | ((physicalPage >> 12) & 0xfff_ffff);

    /// <summary>INVLPG: drops an address from every area (as the processor may), with all fragments of a large page around it.</summary>
    public void InvalidatePage(ulong linear)
    {
        foreach (Area area in _areas)
        {
            if (area.Key == ulong.MaxValue) continue;
            if (area.HugeRegions[HugeHash(linear)])
            {
                Flush(area);
                continue;
            }
            for (int mode = 0; mode < 3; mode++) InvalidateTlb(area, mode, linear);
            InvalidateExecution(area, linear);
        }
    }

    private static void InvalidateTlb(Area area, int mode, ulong linear)
    {
        TlbEntry* table = (TlbEntry*)(area.Base + ContextLayout.Tlb + mode * ContextLayout.TlbStride);
        int slot = (int)((linear >> 12) & (ContextLayout.TlbEntries - 1));
        Clear(table + slot, slot);
        if (!area.LargeRegions[RegionHash(linear)]) return;
        int first = slot & ~511;
        ulong region = linear >> 21;
        for (int i = first; i < first + 512; i++)
            if (table[i].ReadTag >> 21 == region && (table[i].Meta & 1) != 0) Clear(table + i, i);
    }

    private void InvalidateExecution(Area area, ulong linear)
    {
        ulong* itlb = (ulong*)(area.Base + ContextLayout.Itlb);
        ulong page = (linear >> 12) & (ContextLayout.ItlbEntries - 1);
        itlb[page] = itlb[page + ContextLayout.ItlbEntries] = 0;
        if (area.ExecPages[(linear >> 12) & 1023] || area.ExecRegions[RegionHash(linear)]) FlushExecution(area);
    }

    /// <summary>Code of this page is about to run in the current area: INVLPG of it must look at the jump caches.</summary>
    public void NoteExecution(ulong rip, in PageTranslation page)
    {
        Area area = _areas[_current];
        area.ExecPages[(rip >> 12) & 1023] = true;
        if (page.Large) area.ExecRegions[RegionHash(rip)] = true;
        if (page.Huge) area.HugeRegions[HugeHash(rip)] = true;
    }

    private static int HugeHash(ulong linear) => (int)((linear >> 30) * 0x9e37_79b9_7f4a_7c15 >> 56);

    private static int RegionHash(ulong linear) => (int)((linear >> 21) * 0x9e37_79b9_7f4a_7c15 >> 54);

    private void Flush(Area area)
    {
        if (area.TlbCount > LogEntries) FillTlb(area);
        else
            for (int i = 0; i < area.TlbCount; i++)
                Clear((TlbEntry*)(area.Base + area.TlbLog[i]), (area.TlbLog[i] - ContextLayout.Tlb) / ContextLayout.TlbEntryBytes);
        area.TlbCount = 0;
        Array.Clear(area.LargeRegions);
        Array.Clear(area.HugeRegions);
        FlushExecution(area);
    }

    private void FlushWhole(Area area)
    {
        FillTlb(area);
        area.TlbCount = 0;
        area.JumpCount = LogEntries + 1;
        area.Key = ulong.MaxValue;
        FlushExecution(area);
    }

    /// <summary>Empties jump caches and instruction TLBs of every area: translated code was discarded or a mode changed.</summary>
    public void FlushAllExecution()
    {
        foreach (Area area in _areas) FlushExecution(area);
    }

    private void FlushExecution(Area area)
    {
        if (area.JumpCount > LogEntries)
            new Span<ulong>(area.Base + ContextLayout.JumpCache, 3 * ContextLayout.JumpCacheEntries).Fill(EmptyJump);
        else
            for (int i = 0; i < area.JumpCount; i++) *(ulong*)(area.Base + area.JumpLog[i]) = EmptyJump;
        area.JumpCount = 0;
        Array.Clear(area.ExecPages);
        Array.Clear(area.ExecRegions);
        new Span<ulong>(area.Base + ContextLayout.Itlb, 2 * ContextLayout.ItlbEntries).Clear();
    }

    private static void FillTlb(Area area)
    {
        TlbEntry* entries = (TlbEntry*)(area.Base + ContextLayout.Tlb);
        for (int i = 0; i < 3 * ContextLayout.TlbEntries; i++) Clear(entries + i, i);
    }

    private static void Clear(TlbEntry* entry, int slot)
    {
        entry->ReadTag = entry->WriteTag = Invalid(slot);
        entry->Meta = ulong.MaxValue;
    }

    // The tag must not be within a page of any address that indexes this slot: 2^63 indexes slot 0, so slot 0 holds 2^63 + 4096 (slot 1).
    private static ulong Invalid(int slot) => (slot & (ContextLayout.TlbEntries - 1)) == 0 ? InvalidTagOfItsSlot : InvalidTag;

    /// <inheritdoc/>
    public void Dispose()
    {
        _region.Dispose();
        _writeSlotMemory.Dispose();
    }

    private sealed class Area(byte* @base)
    {
        public readonly byte* Base = @base;
        public readonly int[] TlbLog = new int[LogEntries];
        public readonly int[] JumpLog = new int[LogEntries];
        public readonly bool[] ExecPages = new bool[1024], ExecRegions = new bool[1024], LargeRegions = new bool[1024], HugeRegions = new bool[256];
        public ulong Key = ulong.MaxValue;
        public int TlbCount, JumpCount;
    }
}
