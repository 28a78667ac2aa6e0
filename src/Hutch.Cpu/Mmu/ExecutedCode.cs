using System;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Mmu;

/// <summary>
/// What one privilege level of an address space executes: the jump caches of its access modes, its instruction TLB, and which pages lead into them.
/// </summary>
/// <param name="area">First byte of the context area.</param>
/// <param name="first">An access mode of the level.</param>
/// <param name="second">The level's other access mode, or the same.</param>
/// <param name="itlb">Offset of its instruction TLB in the area.</param>
internal sealed unsafe class ExecutedCode(byte* area, AccessMode first, AccessMode second, int itlb)
{
    private const int LogEntries = 2048;

    private readonly int[] _log = new int[LogEntries];
    private readonly PageSet _pages = new();
    private int _count;

    /// <summary>Some of it comes from pages that are not global.</summary>
    public bool HasLocal { get; private set; }

    /// <summary>Remembers a host address for an indirect jump.</summary>
    public void FillJump(ulong rip, AccessMode mode, ulong target)
    {
        int offset = CacheOf(mode) + ContextLayout.JumpSlot(rip);
        if (_count < LogEntries) _log[_count] = offset;
        _count++;
        *(ulong*)(area + offset) = target;
    }

    /// <summary>Code of a page is about to run.</summary>
    public void Note(ulong rip, in PageTranslation page)
    {
        _pages.Add(rip, page);
        if (!page.Global) HasLocal = true;
    }

    /// <summary>Drops an address: all of the jump caches, if code of its page has run.</summary>
    public void InvalidatePage(ulong linear, ulong emptyJump)
    {
        Itlb[(linear >> 12) & (ContextLayout.ItlbEntries - 1)] = 0;
        if (_pages.Contains(linear)) Flush(emptyJump);
    }

    /// <summary>Empties everything.</summary>
    public void Flush(ulong emptyJump)
    {
        if (_count > LogEntries) FlushWhole(emptyJump);
        else
            for (int i = 0; i < _count; i++) *(ulong*)(area + _log[i]) = emptyJump;
        _count = 0;
        HasLocal = false;
        _pages.Clear();
        new Span<ulong>(Itlb, ContextLayout.ItlbEntries).Clear();
    }

    /// <summary>Writes every slot of the jump caches.</summary>
    public void FlushWhole(ulong emptyJump)
    {
        new Span<ulong>(area + CacheOf(first), ContextLayout.JumpCacheEntries).Fill(emptyJump);
        if (second != first) new Span<ulong>(area + CacheOf(second), ContextLayout.JumpCacheEntries).Fill(emptyJump);
    }

    private ulong* Itlb => (ulong*)(area + itlb);

    private static int CacheOf(AccessMode mode) => ContextLayout.JumpCache + (int)mode * ContextLayout.JumpCacheStride;
}
