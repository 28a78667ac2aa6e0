using System;
using System.Threading;
using Hutch.Core.Engine;

namespace Hutch.Cpu.Runtime;

/// <summary>
/// Which pages were written. Translated code writes without a word to a page that its vCPU has a write tag for, so a page counts as written when a tag is
/// given, and every answer takes all tags back; all other writes are noted one by one, after they were made.
/// <para>A tag that is given while an answer is made is of no use: the vCPU is told before it goes back into translated code, or it is waited for there.</para>
/// </summary>
internal sealed class DirtyLog(SoftMachine machine, int pageCount) : IDirtyLog
{
    private readonly ulong[] _pages = new ulong[(pageCount + 63) / 64];
    private bool _isOn;

    /// <inheritdoc/>
    public int PageCount => pageCount;

    /// <inheritdoc/>
    public void Start()
    {
        Array.Clear(_pages);
        Volatile.Write(ref _isOn, true);
        machine.DropAllWriteTags();
    }

    /// <inheritdoc/>
    public void Take(Span<ulong> bitmap)
    {
        for (int i = 0; i < _pages.Length; i++)
            if (Volatile.Read(ref _pages[i]) != 0) bitmap[i] |= Interlocked.Exchange(ref _pages[i], 0);
        machine.DropAllWriteTags();
    }

    /// <inheritdoc/>
    public void Stop() => Volatile.Write(ref _isOn, false);

    /// <summary>Something in the page was written, or will be without another word. Any thread.</summary>
    public void Note(int page)
    {
        // What is no RAM has an index too, and no bit.
        if (!Volatile.Read(ref _isOn) || page >= pageCount) return;
        ulong bit = 1ul << (page & 63);
        if ((Volatile.Read(ref _pages[page >> 6]) & bit) == 0) Interlocked.Or(ref _pages[page >> 6], bit);
    }

    /// <summary>A write tag may be given with a read: the page counts as written already, or nobody asks.</summary>
    public bool IsNoted(int page) => !Volatile.Read(ref _isOn) || page >= pageCount || (Volatile.Read(ref _pages[page >> 6]) >> (page & 63) & 1) != 0;
}
