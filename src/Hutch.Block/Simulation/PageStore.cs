using System;
using System.Collections.Generic;

namespace Hutch.Block.Simulation;

/// <summary>
/// Sparse bytes in pages. A copy shares all pages with its original until either writes one, so that thousands of states of an image cost little. Not
/// thread-safe; what was never written reads as zeros.
/// </summary>
internal sealed class PageStore
{
    /// <summary>Bytes of a page.</summary>
    internal const int PageBytes = 4096;

    private readonly Dictionary<long, Page> _pages;

    // Who may write a page in place: the store that made it, until it was copied.
    private object _owner = new();

    /// <summary>Makes an empty store.</summary>
    internal PageStore() => _pages = [];

    private PageStore(Dictionary<long, Page> pages) => _pages = new Dictionary<long, Page>(pages);

    /// <summary>Makes a store of the same content.</summary>
    internal PageStore Copy()
    {
        _owner = new object();
        return new PageStore(_pages);
    }

    /// <summary>Fills <paramref name="destination"/>.</summary>
    internal void Read(long offset, Span<byte> destination)
    {
        while (destination.Length != 0)
        {
            int within = (int)(offset % PageBytes), length = Math.Min(destination.Length, PageBytes - within);
            if (_pages.TryGetValue(offset / PageBytes, out Page page)) page.Bytes.AsSpan(within, length).CopyTo(destination);
            else destination[..length].Clear();
            destination = destination[length..];
            offset += length;
        }
    }

    /// <summary>Writes <paramref name="source"/>.</summary>
    internal void Write(long offset, ReadOnlySpan<byte> source)
    {
        while (source.Length != 0)
        {
            int within = (int)(offset % PageBytes), length = Math.Min(source.Length, PageBytes - within);
            source[..length].CopyTo(Own(offset / PageBytes).AsSpan(within));
            source = source[length..];
            offset += length;
        }
    }

    /// <summary>Makes a range read as zeros; whole pages of it are given up.</summary>
    internal void Clear(long offset, long lengthBytes)
    {
        while (lengthBytes != 0)
        {
            long number = offset / PageBytes;
            int within = (int)(offset % PageBytes);
            int length = (int)Math.Min(lengthBytes, PageBytes - within);
            if (length == PageBytes)
            {
                long whole = lengthBytes / PageBytes;
                ClearPages(number, whole);
                (offset, lengthBytes) = (offset + (whole * PageBytes), lengthBytes - (whole * PageBytes));
                continue;
            }
            if (_pages.ContainsKey(number)) Own(number).AsSpan(within, length).Clear();
            (offset, lengthBytes) = (offset + length, lengthBytes - length);
        }
    }

    /// <summary>Whether the page that holds <paramref name="offset"/> was written, and how far, at most to <paramref name="end"/>, that is so.</summary>
    internal (bool HasData, long EndOffset) FindExtent(long offset, long end)
    {
        bool data = _pages.ContainsKey(offset / PageBytes);
        long next = (offset / PageBytes * PageBytes) + PageBytes;
        // A hole is looked for among the pages there are: it may be far larger than they are many.
        if (!data)
        {
            long nearest = long.MaxValue;
            foreach (long number in _pages.Keys)
                if (number * PageBytes >= next) nearest = Math.Min(nearest, number * PageBytes);
            return (false, Math.Min(end, nearest));
        }
        while (next < end && _pages.ContainsKey(next / PageBytes)) next += PageBytes;
        return (true, Math.Min(next, end));
    }

    private void ClearPages(long first, long count)
    {
        if (count <= _pages.Count)
        {
            for (long i = 0; i < count; i++) _pages.Remove(first + i);
            return;
        }
        foreach (long number in new List<long>(_pages.Keys))
            if (number >= first && number - first < count) _pages.Remove(number);
    }

    private byte[] Own(long number)
    {
        bool there = _pages.TryGetValue(number, out Page page);
        if (there && ReferenceEquals(page.Owner, _owner)) return page.Bytes;
        byte[] bytes = there ? (byte[])page.Bytes.Clone() : new byte[PageBytes];
        _pages[number] = new Page(bytes, _owner);
        return bytes;
    }

    private readonly record struct Page(byte[] Bytes, object Owner);
}
