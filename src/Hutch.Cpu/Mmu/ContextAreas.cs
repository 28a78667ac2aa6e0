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
    private readonly AliasedRegion _region;
    private const uint ManySlots = uint.MaxValue;

    private readonly MappedRegion _writeSlotMemory;
    private readonly uint* _writeSlots;
    private readonly ContextArea[] _areas = new ContextArea[ContextLayout.Areas];
    private int _current, _next;

    /// <param name="pages">How many 4 KiB pages have an index, of RAM and of other memory (<see cref="Runtime.CodePages.IndexCount"/>).</param>
    public ContextAreas(int pages)
    {
        // Per page: 0, or 1 + offset of the one TLB entry that ever had a write tag for it, or ManySlots.
        _writeSlotMemory = MappedRegion.Allocate((ulong)pages * sizeof(uint), "Write tag index");
        _writeSlots = (uint*)_writeSlotMemory.Start;
        _region = AliasedRegion.Allocate(ContextLayout.StateBytes, ContextLayout.AreaBytes, ContextLayout.Areas, "vCPU context");
        for (int i = 0; i < _areas.Length; i++) _areas[i] = new ContextArea(_region.Start + (long)i * ContextLayout.AreaBytes);
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
        foreach (ContextArea area in _areas) area.Initialise(emptyJump);
        _current = 0;
        _areas[0].Key = 0;
        State->ContextBase = (ulong)Current;
    }

    /// <summary>
    /// Makes the area of an address space current; global translations stay in it. <paramref name="keep"/>: so may the others (PCID with the
    /// no-flush bit).
    /// </summary>
    public void Select(ulong key, bool keep)
    {
        int found = -1;
        for (int i = 0; i < _areas.Length; i++)
            if (_areas[i].Key == key) { found = i; break; }
        if (found < 0)
        {
            found = _next;
            _next = (_next + 1) % _areas.Length;
            _areas[found].FlushLocal(EmptyJump);
            _areas[found].Key = key;
        }
        else if (!keep) _areas[found].FlushLocal(EmptyJump);
        _current = found;
        State->ContextBase = (ulong)Current;
    }

    /// <summary>Empties every area.</summary>
    public void FlushAll()
    {
        foreach (ContextArea area in _areas) area.Flush(EmptyJump);
    }

    /// <summary>Empties every area but for what is global.</summary>
    public void FlushAllLocal()
    {
        foreach (ContextArea area in _areas) area.FlushLocal(EmptyJump);
    }

    /// <summary>Empties the areas of one PCID but for what is global.</summary>
    public void FlushPcid(ulong pcid)
    {
        foreach (ContextArea area in _areas)
            if ((area.Key & 0xfff) == pcid) area.FlushLocal(EmptyJump);
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
            _areas[offset / ContextLayout.AreaBytes].DropWriteTag((int)(offset % ContextLayout.AreaBytes), physicalPage);
            return;
        }
        foreach (ContextArea area in _areas) area.DropWriteTags(physicalPage);
    }

    /// <summary>Removes the write tags of all pages, in all areas.</summary>
    public void DropAllWriteTags()
    {
        foreach (ContextArea area in _areas) area.DropAllWriteTags();
    }

    /// <summary>Fills the entry of a page in the current area.</summary>
    public TlbEntry* Fill(ulong linear, AccessMode mode, in PageTranslation page, byte* host, int pageIndex, bool writable)
    {
        TlbEntry* entry = _areas[_current].Fill(linear, mode, page, host, writable);
        if (writable)
        {
            uint slot = (uint)((byte*)entry - _region.Start) + 1;
            if (_writeSlots[pageIndex] != slot) _writeSlots[pageIndex] = _writeSlots[pageIndex] == 0 ? slot : ManySlots;
        }
        return entry;
    }

    /// <summary>Remembers a host address for an indirect jump in the current area.</summary>
    public void FillJump(ulong rip, AccessMode mode, ulong target) => _areas[_current].FillJump(rip, mode, target);

    /// <summary>The instruction TLB entry of an address in the current area.</summary>
    public ulong* Itlb(ulong rip, bool user) =>
        (ulong*)(Current + ContextLayout.Itlb + (user ? ContextLayout.ItlbStride : 0)) + ((rip >> 12) & (ContextLayout.ItlbEntries - 1));

    /// <summary>The instruction TLB's packed form of a translation (and the value that translated code compares with).</summary>
    public static ulong PackItlb(ulong rip, ulong physicalPage) => ((rip >> 12) << 28) | ((physicalPage >> 12) & 0xfff_ffff);

    /// <summary>INVLPG: drops an address from every area (as the processor may), global or not.</summary>
    public void InvalidatePage(ulong linear)
    {
        foreach (ContextArea area in _areas)
            if (area.Key != ContextArea.NoKey) area.InvalidatePage(linear, EmptyJump);
    }

    /// <summary>Code of this page is about to run in the current area: INVLPG of it must look at the jump caches.</summary>
    public void NoteExecution(ulong rip, bool user, in PageTranslation page) => _areas[_current].NoteExecution(rip, user, page);

    /// <summary>Empties jump caches and instruction TLBs of every area: translated code was discarded or a mode changed.</summary>
    public void FlushAllExecution()
    {
        foreach (ContextArea area in _areas) area.FlushExecution(EmptyJump);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _region.Dispose();
        _writeSlotMemory.Dispose();
    }
}
