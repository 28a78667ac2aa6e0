using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Pieces of metadata to write in any order; neighbours become one request.</summary>
internal sealed class MetadataWrites(int sliceBytes) : IDisposable
{
    private const int ChunkBytes = 256 * 1024, MaxSegments = 256;

    private readonly List<(long Offset, int Chunk, int At, int LengthBytes)> _pieces = [];
    private readonly List<NativeBuffer> _chunks = [];
    private int _used = int.MaxValue;

    /// <summary>Number of pieces.</summary>
    internal int Count => _pieces.Count;

    /// <summary>Adds a copy of bytes, at most a slice or 4 KiB.</summary>
    internal void Add(long offset, ReadOnlySpan<byte> data) => data.CopyTo(Take(offset, data.Length));

    /// <summary>Adds a big-endian word.</summary>
    internal void AddWord(long offset, ulong word) => BinaryPrimitives.WriteUInt64BigEndian(Take(offset, 8), word);

    /// <summary>Adds a table of big-endian words.</summary>
    internal void AddWords(long offset, ReadOnlySpan<ulong> words)
    {
        for (; words.Length != 0; words = words[Math.Min(words.Length, 512)..], offset += 4096)
        {
            Span<byte> to = Take(offset, Math.Min(words.Length, 512) * 8);
            for (int i = 0; i < to.Length / 8; i++) BinaryPrimitives.WriteUInt64BigEndian(to[(i * 8)..], words[i]);
        }
    }

    /// <summary>Writes all pieces; neighbours together, and the requests at the same time.</summary>
    internal async ValueTask WriteAsync(BlockNode file)
    {
        _pieces.Sort(static (a, b) => a.Offset.CompareTo(b.Offset));
        List<Task> running = [];
        for (int i = 0; i < _pieces.Count;)
        {
            long start = _pieces[i].Offset, end = start;
            List<IoSegment> segments = [];
            for (; i < _pieces.Count && _pieces[i].Offset == end && segments.Count < MaxSegments; i++)
            {
                segments.Add(_chunks[_pieces[i].Chunk].Segment(_pieces[i].At, _pieces[i].LengthBytes));
                end += _pieces[i].LengthBytes;
            }
            ValueTask write = file.WriteAsync(start, new IoVector(segments.ToArray()), WriteFlags.None, CancellationToken.None);
            if (write.IsCompletedSuccessfully) continue;
            running.Add(write.AsTask());
        }
        if (running.Count != 0) await Task.WhenAll(running).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (NativeBuffer chunk in _chunks) chunk.Dispose();
        _chunks.Clear();
    }

    private Span<byte> Take(long offset, int lengthBytes)
    {
        if (_chunks.Count == 0 || _used > _chunks[^1].LengthBytes - lengthBytes)
        {
            // Most commits are small; the next chunk shows that this one is not.
            _chunks.Add(new NativeBuffer(_chunks.Count == 0 ? Math.Max(4 * sliceBytes, 4096) : ChunkBytes));
            _used = 0;
        }
        _pieces.Add((offset, _chunks.Count - 1, _used, lengthBytes));
        Span<byte> span = _chunks[^1].Span.Slice(_used, lengthBytes);
        _used += lengthBytes;
        return span;
    }
}
