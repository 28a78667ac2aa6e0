using System;
using System.Threading;
using Hutch.Core.Memory;

namespace Hutch.Kvm.Dirty;

/// <summary>The pages that the host side wrote (devices, loaders), which the kernel's log does not see. Any thread.</summary>
internal sealed class HostWrites(GuestMemory memory) : IGuestWriteObserver
{
    private const int PageShift = 12;

    private readonly ulong[] _pages = new ulong[((memory.LengthBytes >> PageShift) + 63) / 64];

    /// <inheritdoc/>
    public void OnHostWrite(ulong address, ulong lengthBytes)
    {
        // A flash chip's bytes are no RAM.
        if (lengthBytes == 0 || !memory.IsRam(address, lengthBytes)) return;
        ulong offset = address < memory.LowBytes ? address : address - GuestMemory.HighMemoryStart + memory.LowBytes;
        ulong last = (offset + lengthBytes - 1) >> PageShift;
        for (ulong page = offset >> PageShift; page <= last; page++) Interlocked.Or(ref _pages[page / 64], 1ul << (int)(page % 64));
    }

    /// <summary>Adds the pages to a bitmap and forgets them.</summary>
    internal void Take(Span<ulong> bitmap)
    {
        for (int i = 0; i < _pages.Length; i++)
            if (Volatile.Read(ref _pages[i]) != 0) bitmap[i] |= Interlocked.Exchange(ref _pages[i], 0);
    }

    /// <summary>Forgets them.</summary>
    internal void Clear() => Array.Clear(_pages);
}
