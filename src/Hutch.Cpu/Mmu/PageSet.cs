using System;

namespace Hutch.Cpu.Mmu;

/// <summary>A set of pages of a linear address space, 4 KiB pages and 2 MiB regions. When it is full it holds every page.</summary>
internal sealed class PageSet
{
    private const int Slots = 2048, Most = Slots / 2;

    // Open addressing; 0 is an empty slot.
    private readonly ulong[] _keys = new ulong[Slots];
    private int _count;

    /// <summary>Adds the page of an address: the 2 MiB around it where it is part of a larger page than 4 KiB.</summary>
    public void Add(ulong linear, in PageTranslation page)
    {
        if (_count == Most) return;
        ulong key = page.Large ? RegionKey(linear) : PageKey(linear);
        int slot = Find(key);
        if (_keys[slot] == key) return;
        _keys[slot] = key;
        _count++;
    }

    /// <summary>Whether a page that was added holds an address.</summary>
    public bool Contains(ulong linear) =>
        _count == Most || (_count != 0 && (_keys[Find(PageKey(linear))] != 0 || _keys[Find(RegionKey(linear))] != 0));

    /// <summary>Takes every page out.</summary>
    public void Clear()
    {
        if (_count != 0) Array.Clear(_keys);
        _count = 0;
    }

    // The slot that holds a key, or the empty one where it would go.
    private int Find(ulong key)
    {
        int slot = (int)(key * 0x9e37_79b9_7f4a_7c15 >> 53);
        while (_keys[slot] != 0 && _keys[slot] != key) slot = (slot + 1) & (Slots - 1);
        return slot;
    }

    private static ulong PageKey(ulong linear) => (linear >> 12 << 2) | 1;

    private static ulong RegionKey(ulong linear) => (linear >> 21 << 2) | 2;
}
