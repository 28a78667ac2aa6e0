using System;
using System.Runtime.InteropServices;
using Hutch.Host.Memory;

namespace Hutch.Cpu.Runtime;

/// <summary>One translated block: one cache line of native memory. Referred to by its number, 0 means none.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct BlockRecord
{
    /// <summary>Guest physical address of the first byte.</summary>
    public ulong Physical;

    /// <summary>Guest RIP of the first instruction.</summary>
    public ulong Rip;

    /// <summary>Host address of the first byte (executable view).</summary>
    public ulong Start;

    /// <summary>The BlockMode it was translated for.</summary>
    public uint Mode;

    /// <summary>Next block with the same hash.</summary>
    public int HashNext;

    /// <summary>RAM page of the first byte, and the next block of that page.</summary>
    public int Page, PageNext;

    /// <summary>For a block that crosses into a second page: that page and the next block there; page -1 if it does not.</summary>
    public int SecondPage, SecondPageNext;

    /// <summary>Where its entries and the way out of a dead block are, in bytes from <see cref="Start"/>.</summary>
    public ushort DirectOffset, IndirectOffset, DeadOffset;

    /// <summary>Guest bytes covered.</summary>
    public ushort GuestBytes;

    /// <summary>Guest instructions covered.</summary>
    public byte Instructions;

    /// <summary>No longer reachable: its entry leads to <see cref="DeadExit"/>.</summary>
    public bool Dead;

    /// <summary>Host address for those who know that this is the block.</summary>
    public readonly ulong DirectEntry => Start + DirectOffset;

    /// <summary>Host address for those who must compare R11 first.</summary>
    public readonly ulong IndirectEntry => Start + IndirectOffset;

    /// <summary>Host address that leads to the dispatcher.</summary>
    public readonly ulong DeadExit => Start + DeadOffset;
}

/// <summary>
/// The blocks of one vCPU, found by (physical address, RIP, mode) and by page. Native memory, no allocation per block.
/// One thread.
/// </summary>
internal sealed unsafe class BlockStore : IDisposable
{
    private const int MaxBlocks = 1 << 18, HashBuckets = 1 << 16;

    private readonly MappedRegion _recordMemory = MappedRegion.Allocate((ulong)MaxBlocks * (ulong)sizeof(BlockRecord), "Block index");
    private readonly MappedRegion _hashMemory = MappedRegion.Allocate(HashBuckets * sizeof(int), "Block index");
    private readonly MappedRegion _pageMemory;
    private readonly int* _hash, _pages;
    private readonly BlockRecord* _records;
    private int _count;

    /// <param name="pages">Pages that can hold code.</param>
    public BlockStore(int pages)
    {
        _pageMemory = MappedRegion.Allocate((ulong)pages * sizeof(int), "Block index");
        _hash = (int*)_hashMemory.Start;
        _pages = (int*)_pageMemory.Start;
        _records = (BlockRecord*)_recordMemory.Start;
    }

    /// <summary>No block fits any more: flush.</summary>
    public bool IsFull => _count >= MaxBlocks - 1;

    /// <summary>The record of a block number.</summary>
    public BlockRecord* this[int number] => _records + number;

    /// <summary>Finds a live block; 0 if there is none. What was found goes to the front of its chain: programs that ended leave theirs behind.</summary>
    public int Find(ulong physical, ulong rip, uint mode)
    {
        int* head = _hash + Hash(physical, rip, mode);
        for (int* link = head; *link != 0; link = &_records[*link].HashNext)
        {
            int number = *link;
            BlockRecord* block = _records + number;
            if (block->Physical != physical || block->Rip != rip || block->Mode != mode || block->Dead) continue;
            if (link == head) return number;
            *link = block->HashNext;
            block->HashNext = *head;
            *head = number;
            return number;
        }
        return 0;
    }

    /// <summary>Adds a block; the caller has checked <see cref="IsFull"/>.</summary>
    public int Add(in BlockRecord block)
    {
        int number = ++_count;
        BlockRecord* record = _records + number;
        *record = block;
        int bucket = Hash(block.Physical, block.Rip, block.Mode);
        record->HashNext = _hash[bucket];
        _hash[bucket] = number;
        record->PageNext = _pages[block.Page];
        _pages[block.Page] = number;
        if (block.SecondPage < 0) return number;
        record->SecondPageNext = _pages[block.SecondPage];
        _pages[block.SecondPage] = number;
        return number;
    }

    /// <summary>First block of a page.</summary>
    public int FirstOf(int page) => _pages[page];

    /// <summary>The block after <paramref name="number"/> in a page's list.</summary>
    public int NextOf(int number, int page) => _records[number].Page == page ? _records[number].PageNext : _records[number].SecondPageNext;

    /// <summary>Makes a block unfindable; it stays in the page lists until <see cref="Sweep"/>, and in the hash until <see cref="TakeDead"/>.</summary>
    public void Kill(int number) => _records[number].Dead = true;

    /// <summary>Takes one dead block with the same key as <paramref name="number"/> out of the hash; 0 if there is none (any more).</summary>
    public int TakeDead(int number)
    {
        BlockRecord* block = _records + number;
        for (int* link = _hash + Hash(block->Physical, block->Rip, block->Mode); *link != 0; link = &_records[*link].HashNext)
        {
            int candidate = *link;
            BlockRecord* dead = _records + candidate;
            if (!dead->Dead || dead->Physical != block->Physical || dead->Rip != block->Rip || dead->Mode != block->Mode) continue;
            *link = dead->HashNext;
            return candidate;
        }
        return 0;
    }

    /// <summary>Takes dead blocks out of a page's list.</summary>
    public void Sweep(int page)
    {
        int* link = _pages + page;
        while (*link != 0)
        {
            BlockRecord* block = _records + *link;
            int* next = block->Page == page ? &block->PageNext : &block->SecondPageNext;
            if (block->Dead) *link = *next;
            else link = next;
        }
    }

    /// <summary>Forgets every block.</summary>
    public void Clear()
    {
        for (int i = 1; i <= _count; i++)
        {
            _pages[_records[i].Page] = 0;
            if (_records[i].SecondPage >= 0) _pages[_records[i].SecondPage] = 0;
        }
        new Span<int>(_hash, HashBuckets).Clear();
        _count = 0;
    }

    private static int Hash(ulong physical, ulong rip, uint mode)
    {
        ulong mixed = (physical ^ (rip << 7) ^ mode) * 0x9e37_79b9_7f4a_7c15;
        return (int)(mixed >> 48);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _recordMemory.Dispose();
        _hashMemory.Dispose();
        _pageMemory.Dispose();
    }
}
