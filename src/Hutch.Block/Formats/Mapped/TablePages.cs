using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Mapped;

/// <summary>
/// A table of a file's metadata, read page by page when it is needed and written back when its owner says so. Any thread may look at pages; one owner at a
/// time changes them. However large the table, at most <see cref="MaxCachedBytes"/> of unchanged pages stay in memory.
/// </summary>
internal sealed class TablePages : IDisposable
{
    /// <summary>Bytes of unchanged pages that are kept.</summary>
    internal const int MaxCachedBytes = 32 << 20;

    private readonly BlockNode _file;
    private readonly Func<int, long> _placeOf;
    private readonly byte[]?[] _pages;
    private readonly SortedSet<int> _changed = [];
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _loading = new(1);
    private readonly Func<int, long>? _copyOf;
    private readonly long _tableBytes;
    private readonly int _maxCached;
    private int _cached, _hand;

    /// <summary>Makes a table of which nothing is read yet.</summary>
    /// <param name="file">The node that holds it.</param>
    /// <param name="pageBytes">Length of a page.</param>
    /// <param name="pageCount">Number of pages; the caller has capped it.</param>
    /// <param name="placeOf">Where a page lies in the file.</param>
    /// <param name="tableBytes">Length of all of it: what is behind it in the last page's place is something else.</param>
    /// <param name="copyOf">Where a second copy of a page is kept, 0 for none; null where no page has one.</param>
    internal TablePages(BlockNode file, int pageBytes, int pageCount, Func<int, long> placeOf, long tableBytes = long.MaxValue, Func<int, long>? copyOf = null)
    {
        _file = file;
        PageBytes = pageBytes;
        _placeOf = placeOf;
        _tableBytes = tableBytes;
        _copyOf = copyOf;
        _pages = new byte[]?[pageCount];
        _maxCached = Math.Max(16, MaxCachedBytes / pageBytes);
    }

    /// <summary>Length of a page in bytes.</summary>
    internal int PageBytes { get; }

    /// <summary>Number of pages.</summary>
    internal int Count => _pages.Length;

    /// <summary>Some pages differ from the file.</summary>
    internal bool HasChanges => _changed.Count != 0;

    /// <summary>A page as it is now, to be looked at; null where <see cref="LoadAsync"/> must be called first.</summary>
    internal byte[]? Find(int page) => Volatile.Read(ref _pages[page]);

    /// <summary>Reads a page unless it is there. It may be dropped again before the caller looks: call in a loop.</summary>
    internal async ValueTask LoadAsync(int page, CancellationToken cancellation)
    {
        await _loading.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            if (Find(page) is not null) return;
            byte[] bytes = new byte[Math.Min(PageBytes, _tableBytes - ((long)page * PageBytes))];
            await _file.ReadBytesAsync(_placeOf(page), bytes, cancellation).ConfigureAwait(false);
            lock (_gate)
            {
                if (_cached >= _maxCached) Drop();
                Volatile.Write(ref _pages[page], bytes);
                _cached++;
            }
        }
        finally
        {
            _loading.Release();
        }
    }

    /// <summary>Changes a part of a page; the owner only. False where the page must be loaded first.</summary>
    internal bool TryUpdate(int page, int offset, ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            if (_pages[page] is not byte[] there) return false;
            bytes.CopyTo(there.AsSpan(offset));
            _changed.Add(page);
            return true;
        }
    }

    /// <summary>Writes all changed pages; the owner only. Not durable by itself. What fails stays changed.</summary>
    internal async ValueTask StoreAsync(CancellationToken cancellation)
    {
        while (_changed.Count != 0)
        {
            int page = _changed.Min;
            await _file.WriteBytesAsync(_placeOf(page), _pages[page]!, WriteFlags.None, cancellation).ConfigureAwait(false);
            if (_copyOf?.Invoke(page) is long copy and > 0) await _file.WriteBytesAsync(copy, _pages[page]!, WriteFlags.None, cancellation).ConfigureAwait(false);
            lock (_gate) _changed.Remove(page);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _loading.Dispose();

    // Goes round and drops the next unchanged page; where all are changed the cache grows until they are stored.
    private void Drop()
    {
        for (int i = 0; i < _pages.Length; i++)
        {
            _hand = _hand + 1 == _pages.Length ? 0 : _hand + 1;
            if (_pages[_hand] is null || _changed.Contains(_hand)) continue;
            Volatile.Write(ref _pages[_hand], null);
            _cached--;
            return;
        }
    }
}
