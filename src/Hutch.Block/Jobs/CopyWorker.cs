using System;
using System.Collections.Generic;
using System.Numerics;
using System.Threading;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Jobs;

/// <summary>One thread's part in a copy: a buffer, what was found in it, and what it became compressed.</summary>
internal sealed class CopyWorker : IDisposable
{
    private readonly ImageNode _target;
    private readonly IImageCompression? _compression;
    private readonly CopyOptions _options;
    private readonly int _blockBytes, _unitBytes;
    private readonly NativeBuffer _buffer;
    private readonly NativeBuffer? _compressed;
    private readonly IoSegment[] _segment = new IoSegment[1];
    private readonly List<Run> _runs = [];

    /// <summary>Makes a worker with its buffers.</summary>
    internal CopyWorker(ImageNode target, CopyOptions options, int pieceBytes, int unitBytes)
    {
        (_target, _options, _unitBytes) = (target, options, unitBytes);
        _compression = unitBytes != 0 ? target as IImageCompression : null;
        _blockBytes = Math.Max(512, options.SparseBytes == 0 ? 0 : 1 << BitOperations.Log2((uint)options.SparseBytes));
        _buffer = new NativeBuffer(pieceBytes);
        if (_compression is not null) _compressed = new NativeBuffer(pieceBytes);
    }

    /// <summary>Reads a piece and finds out what is to be stored: all that needs no turn.</summary>
    internal void Prepare(CopyPiece piece, CopySource source, CancellationToken cancellation)
    {
        _runs.Clear();
        if (piece.Action != CopyAction.Data) return;
        source.Read(piece, _buffer, _segment, cancellation);
        int length = (int)piece.LengthBytes;
        if (_unitBytes != 0) FindUnits(length);
        else if (_options.SparseBytes == 0) _runs.Add(new Run(0, length, true, 0));
        else FindRuns(piece.Offset, length);
    }

    /// <summary>Stores what <see cref="Prepare"/> found.</summary>
    internal void Store(CopyPiece piece, CancellationToken cancellation)
    {
        if (piece.Action == CopyAction.Keep) return;
        if (piece.Action == CopyAction.Zero)
        {
            StoreZeros(piece.Offset, piece.LengthBytes, cancellation);
            return;
        }
        foreach (Run run in _runs)
        {
            long offset = piece.Offset + run.Start;
            if (!run.IsData)
            {
                StoreZeros(offset, run.Length, cancellation);
            }
            else if (run.CompressedBytes > 0)
            {
                _segment[0] = _compressed!.Segment(run.Start, run.CompressedBytes);
                Blocking.Wait(_compression!.WriteCompressedAsync(offset, new IoVector(_segment), cancellation));
            }
            else
            {
                _segment[0] = _buffer.Segment(run.Start, run.Length);
                bool isAsked = _unitBytes != 0 && _compression is null;
                Blocking.Wait(_target.WriteAsync(offset, new IoVector(_segment), isAsked ? WriteFlags.Compressed : WriteFlags.None, cancellation));
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _buffer.Dispose();
        _compressed?.Dispose();
    }

    private void StoreZeros(long offset, long lengthBytes, CancellationToken cancellation)
    {
        if (_options.TargetIsZero && _options.TargetBackingBytes is null) return;
        Blocking.Wait(_target.WriteZeroesAsync(offset, lengthBytes, WriteFlags.MayUnmap, cancellation));
    }

    private void FindUnits(int length)
    {
        Span<byte> data = _buffer.Span;
        for (int start = 0; start < length; start += _unitBytes)
        {
            int part = Math.Min(_unitBytes, length - start);
            bool isData = _options.SparseBytes == 0 || data.Slice(start, part).ContainsAnyExcept((byte)0);
            int compressed = 0;
            if (isData && _compression is not null)
            {
                // The disk's last unit may be a part of one.
                data.Slice(start + part, _unitBytes - part).Clear();
                compressed = _compression.Compress(data.Slice(start, _unitBytes), _compressed!.Span.Slice(start, _unitBytes));
            }
            _runs.Add(new Run(start, part, isData, Math.Max(0, compressed)));
        }
    }

    // Cuts the buffer at the disk's blocks into runs of data and of zeros. Zeros that are too short to be worth it, between data, count as data.
    private void FindRuns(long offset, int length)
    {
        ReadOnlySpan<byte> data = _buffer.Span;
        int start = 0;
        bool? before = null;
        int at = 0;
        while (at < length)
        {
            int end = (int)Math.Min(length, _blockBytes - (int)((offset + at) % _blockBytes) + (long)at);
            bool isData = data[at..end].ContainsAnyExcept((byte)0);
            if (before is not null && isData != before)
            {
                AddRun(start, at, before.Value);
                start = at;
            }
            before = isData;
            at = end;
        }
        AddRun(start, length, before ?? true);
    }

    private void AddRun(int start, int end, bool isData)
    {
        // Zeros shorter than asked for join the data before them, and data joins what became data.
        if (!isData && _runs.Count > 0 && end - start < _options.SparseBytes) isData = true;
        if (isData && _runs.Count > 0 && _runs[^1].IsData) _runs[^1] = _runs[^1] with { Length = end - _runs[^1].Start };
        else _runs.Add(new Run(start, end - start, isData, 0));
    }

    private readonly record struct Run(int Start, int Length, bool IsData, int CompressedBytes);
}
