using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Simulation;

/// <summary>Storage in managed memory, sparse, for tests and simulation. As a file does, it grows with writes behind its end, unless it is made fixed. Every request completes at once.</summary>
internal sealed class MemoryNode : BlockNode
{
    private readonly Lock _lock = new();
    private readonly PageStore _pages;
    private readonly bool _grows;
    private long _lengthBytes;

    /// <summary>Makes a zeroed node.</summary>
    /// <param name="lengthBytes">Length in bytes.</param>
    /// <param name="grows">Ranges behind the end are allowed: reads find zeros there, writes make the node longer.</param>
    internal MemoryNode(long lengthBytes, bool grows = true) : this(new PageStore(), lengthBytes, grows) { }

    private MemoryNode(PageStore pages, long lengthBytes, bool grows)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        (_pages, _lengthBytes, _grows) = (pages, lengthBytes, grows);
    }

    /// <inheritdoc/>
    public override long LengthBytes => Interlocked.Read(ref _lengthBytes);

    /// <inheritdoc/>
    public override BlockLimits Limits { get; } = new() { CanDiscard = true, HasFastZeroes = true, DiscardAlignmentBytes = PageStore.PageBytes };

    /// <inheritdoc/>
    public override string Filename => "memory:";

    /// <summary>Makes a node of these bytes; pages of zeros stay holes.</summary>
    internal static MemoryNode Of(ReadOnlySpan<byte> bytes)
    {
        MemoryNode node = new(bytes.Length);
        for (int at = 0; at < bytes.Length; at += PageStore.PageBytes)
        {
            ReadOnlySpan<byte> page = bytes[at..Math.Min(bytes.Length, at + PageStore.PageBytes)];
            if (page.ContainsAnyExcept((byte)0)) node._pages.Write(at, page);
        }
        return node;
    }

    /// <summary>Makes a node of the present content; pages are shared until either writes them.</summary>
    internal MemoryNode Copy()
    {
        lock (_lock) return new MemoryNode(_pages.Copy(), _lengthBytes, _grows);
    }

    /// <summary>Fills <paramref name="destination"/>; zeros behind the end.</summary>
    internal void Read(long offset, Span<byte> destination)
    {
        lock (_lock) _pages.Read(offset, destination);
    }

    /// <summary>All bytes.</summary>
    internal byte[] ToArray()
    {
        byte[] bytes = new byte[LengthBytes];
        Read(0, bytes);
        return bytes;
    }

    /// <summary>Writes <paramref name="source"/>, growing as needed.</summary>
    internal void Write(long offset, ReadOnlySpan<byte> source)
    {
        lock (_lock)
        {
            _pages.Write(offset, source);
            _lengthBytes = Math.Max(_lengthBytes, offset + source.Length);
        }
    }

    /// <summary>Makes a range read as zeros, growing as needed.</summary>
    internal void Clear(long offset, long lengthBytes)
    {
        lock (_lock)
        {
            _pages.Clear(offset, lengthBytes);
            _lengthBytes = Math.Max(_lengthBytes, offset + lengthBytes);
        }
    }

    /// <summary>Changes the length.</summary>
    internal void SetLength(long lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        lock (_lock)
        {
            if (lengthBytes < _lengthBytes) _pages.Clear(lengthBytes, _lengthBytes - lengthBytes);
            _lengthBytes = lengthBytes;
        }
    }

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        CheckReach(offset, destination.LengthBytes);
        cancellation.ThrowIfCancellationRequested();
        Span<byte> page = stackalloc byte[PageStore.PageBytes];
        lock (_lock)
        {
            foreach (IoSegment segment in destination.Segments)
            {
                for (nint at = 0; at < segment.LengthBytes;)
                {
                    int length = (int)Math.Min(page.Length, segment.LengthBytes - at);
                    _pages.Read(offset, page[..length]);
                    at += segment.Slice(at, length).CopyFrom(page[..length]);
                    offset += length;
                }
            }
        }
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        CheckReach(offset, source.LengthBytes);
        cancellation.ThrowIfCancellationRequested();
        Span<byte> page = stackalloc byte[PageStore.PageBytes];
        lock (_lock)
        {
            foreach (IoSegment segment in source.Segments)
            {
                for (nint at = 0; at < segment.LengthBytes;)
                {
                    int length = segment.Slice(at, segment.LengthBytes - at).CopyTo(page);
                    _pages.Write(offset, page[..length]);
                    (at, offset) = (at + length, offset + length);
                }
            }
            _lengthBytes = Math.Max(_lengthBytes, offset);
        }
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        CheckReach(offset, lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        Clear(offset, lengthBytes);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckReach(offset, lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        lock (_lock) _pages.Clear(offset, Math.Clamp(_lengthBytes - offset, 0, lengthBytes));
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override ValueTask FlushAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckReach(offset, lengthBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        lock (_lock)
        {
            (bool data, long end) = _pages.FindExtent(offset, offset + lengthBytes);
            return new(new BlockExtent(data ? BlockExtentKind.Data : BlockExtentKind.Zero, end - offset) { FileOffset = offset, File = this });
        }
    }

    /// <inheritdoc/>
    public override ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        SetLength(lengthBytes);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void CheckReach(long offset, long lengthBytes)
    {
        if (!_grows) CheckRange(offset, lengthBytes);
        else if (offset < 0 || lengthBytes < 0 || offset > long.MaxValue - lengthBytes)
            throw new ArgumentOutOfRangeException(nameof(offset), $"{lengthBytes} bytes at {offset} are not a range of a file.");
    }
}
