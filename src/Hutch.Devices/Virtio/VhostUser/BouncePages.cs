using System;

namespace Hutch.Devices.Virtio.VhostUser;

/// <summary>Which pages of a piece of memory are taken. Requests get runs of them, the lowest that are free, so that no more memory is touched than is needed.</summary>
internal sealed class BouncePages(int count)
{
    /// <summary>Bytes of a page.</summary>
    internal const int PageBytes = 4096;

    private readonly bool[] _taken = new bool[count];

    /// <summary>Pages that there are.</summary>
    internal int Count => count;

    /// <summary>Takes so many pages in a row and returns the first; -1: there are none now.</summary>
    internal int Take(int pages)
    {
        for (int first = 0; first <= count - pages;)
        {
            // The last one in the way: no run begins before it.
            int obstacle = _taken.AsSpan(first, pages).LastIndexOf(true);
            if (obstacle < 0)
            {
                _taken.AsSpan(first, pages).Fill(true);
                return first;
            }
            first += obstacle + 1;
        }
        return -1;
    }

    /// <summary>Gives pages back.</summary>
    internal void Give(int first, int pages) => _taken.AsSpan(first, pages).Clear();
}
