using System;
using System.Collections.Generic;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Nbd;

/// <summary>Memory of a request's data, in pieces that are taken as they are needed.</summary>
internal sealed class NbdPayload : IDisposable
{
    private readonly NbdPieces _spare;
    private readonly List<NativeBuffer> _pieces = [];
    private readonly List<IoSegment> _segments = [];

    /// <summary>Begins with nothing.</summary>
    internal NbdPayload(NbdPieces spare) => _spare = spare;

    /// <summary>Bytes so far.</summary>
    internal long LengthBytes { get; private set; }

    /// <summary>All pieces.</summary>
    internal IoVector Vector => new(_segments.ToArray());

    /// <summary>Takes memory for all of a request.</summary>
    internal static NbdPayload Of(NbdPieces spare, long lengthBytes)
    {
        NbdPayload payload = new(spare);
        while (payload.LengthBytes < lengthBytes) _ = payload.Grow(lengthBytes - payload.LengthBytes);
        return payload;
    }

    /// <summary>Takes a piece for the next bytes, at most so many.</summary>
    internal IoVector Grow(long lengthBytes)
    {
        int length = (int)Math.Min(lengthBytes, NbdPieces.LargeBytes);
        NativeBuffer piece = _spare.Take(length);
        _pieces.Add(piece);
        IoSegment segment = piece.Segment(0, length);
        _segments.Add(segment);
        LengthBytes += length;
        return new IoVector(new[] { segment });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (NativeBuffer piece in _pieces) _spare.Give(piece);
        _pieces.Clear();
    }
}
