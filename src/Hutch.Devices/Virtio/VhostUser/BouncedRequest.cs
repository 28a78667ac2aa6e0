using System;
using Hutch.Devices.Virtio.Queue;
using Hutch.Host.Files;

namespace Hutch.Devices.Virtio.VhostUser;

/// <summary>A run of bytes of a request in shared memory, which is one descriptor of the back end's.</summary>
/// <param name="Offset">Where it begins in the request's place.</param>
/// <param name="Length">Its length, at least 1.</param>
/// <param name="IsWritable">The back end writes it.</param>
internal readonly record struct BouncedPiece(int Offset, int Length, bool IsWritable);

/// <summary>
/// A request of the guest's on its way through a back end, which sees a copy. The guest's buffers keep their cuts and their places in a page, because some back ends look at the
/// first and direct I/O at the second; buffers that follow each other over the end of a page become one. Reused; one thread.
/// </summary>
/// <param name="maxBuffers">The most buffers that a chain can have.</param>
internal sealed class BouncedRequest(int maxBuffers)
{
    private BouncedPiece[] _pieces = [];
    private IoSegment[] _segments = [];
    private int _count;

    /// <summary>The driver's buffers.</summary>
    internal DescriptorChain Chain { get; } = new(maxBuffers);

    /// <summary>The pieces, those that the back end reads first.</summary>
    internal ReadOnlySpan<BouncedPiece> Pieces => _pieces.AsSpan(0, _count);

    /// <summary>Pages that its place needs.</summary>
    internal int PageCount { get; private set; }

    /// <summary>The first page of its place; its queue's.</summary>
    internal int FirstPage { get; set; }

    /// <summary>The driver was reset meanwhile and does not know it any more.</summary>
    internal bool IsForgotten { get; set; }

    /// <summary>The next of a list; its owner's.</summary>
    internal BouncedRequest? Next { get; set; }

    /// <summary>Says where the chain's bytes are to be. False for more than <paramref name="mostPages"/>.</summary>
    internal bool TryArrange(int mostPages)
    {
        long most = (long)mostPages * BouncePages.PageBytes;
        if (Chain.ReadableBytes + Chain.WritableBytes > most) return false;
        int buffers = Chain.SegmentCount;
        if (_pieces.Length < buffers) (_pieces, _segments) = (new BouncedPiece[buffers], new IoSegment[buffers]);
        _count = 0;
        int end = Place(isWritable: true, Place(isWritable: false, 0));
        PageCount = (end + BouncePages.PageBytes - 1) / BouncePages.PageBytes;
        return PageCount <= mostPages;
    }

    /// <summary>Copies what the guest wrote into the request's place.</summary>
    internal void CopyIn(Span<byte> place)
    {
        long done = 0;
        foreach (BouncedPiece piece in Pieces)
        {
            if (piece.IsWritable) return;
            _ = Chain.TryRead(done, place.Slice(piece.Offset, piece.Length));
            done += piece.Length;
        }
    }

    /// <summary>Copies the first bytes of what the back end wrote to the guest; there are no fewer than <paramref name="writtenBytes"/>.</summary>
    internal void CopyOut(ReadOnlySpan<byte> place, uint writtenBytes)
    {
        long done = 0;
        foreach (BouncedPiece piece in Pieces)
        {
            if (!piece.IsWritable) continue;
            int length = (int)Math.Min(piece.Length, writtenBytes - done);
            if (length == 0) return;
            _ = Chain.TryWrite(done, place.Slice(piece.Offset, length));
            done += length;
        }
    }

    // Returns the end. No more than a page is lost for each buffer, so that nothing overflows.
    private int Place(bool isWritable, int end)
    {
        int count = Chain.Slice(isWritable, 0, isWritable ? Chain.WritableBytes : Chain.ReadableBytes, _segments), first = _count;
        for (int i = 0; i < count; i++)
        {
            int length = (int)_segments[i].LengthBytes, inPage = (int)(_segments[i].Address & (BouncePages.PageBytes - 1));
            int start = (end & -BouncePages.PageBytes) + inPage;
            if (start < end) start += BouncePages.PageBytes;
            if (start == end && inPage == 0 && _count > first) _pieces[_count - 1] = _pieces[_count - 1] with { Length = _pieces[_count - 1].Length + length };
            else _pieces[_count++] = new BouncedPiece(start, length, isWritable);
            end = start + length;
        }
        return end;
    }
}
