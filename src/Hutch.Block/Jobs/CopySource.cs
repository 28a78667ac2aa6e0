using System;
using System.Collections.Generic;
using System.Threading;
using Hutch.Block.Graph;
using Hutch.Block.Opening;
using Hutch.Host.Files;

namespace Hutch.Block.Jobs;

/// <summary>The images that a copy reads, one behind the other, cut into pieces. One thread at a time, except for <see cref="Read"/>.</summary>
internal sealed class CopySource
{
    private const int SectorBytes = 512;
    private const int DataPieceBytes = 1 << 20, CompressedPieceBytes = 256 << 10;

    private readonly IReadOnlyList<BlockNode> _sources;
    private readonly long[] _starts;
    private readonly long _lengthBytes;
    private readonly CopyOptions _options;
    private readonly int _unitBytes;
    private long _at;
    private long _extentEnd;
    private CopyAction _action;
    private long _dataBytes, _doneBytes;

    /// <summary>Makes the list of what is to be copied.</summary>
    /// <param name="sources">The images.</param>
    /// <param name="targetBytes">The target's length; what the sources have beyond is not copied.</param>
    /// <param name="options">How.</param>
    /// <param name="unitBytes">Size in which data is compressed; 0 for no compression.</param>
    internal CopySource(IReadOnlyList<BlockNode> sources, long targetBytes, CopyOptions options, int unitBytes)
    {
        (_sources, _options, _unitBytes) = (sources, options, unitBytes);
        _starts = new long[sources.Count];
        for (int i = 0; i < sources.Count; i++)
        {
            _starts[i] = _lengthBytes;
            _lengthBytes += sources[i].LengthBytes;
        }
        _lengthBytes = Math.Min(_lengthBytes, targetBytes);
        PieceBytes = unitBytes == 0 ? DataPieceBytes : Math.Max(unitBytes, CompressedPieceBytes / unitBytes * unitBytes);
    }

    /// <summary>Most bytes of a piece of data.</summary>
    internal int PieceBytes { get; }

    /// <summary>Finds out how much data there is, for progress.</summary>
    internal void Measure(CancellationToken cancellation)
    {
        // Without somebody who listens the extents are only looked up once.
        if ((_options.Progress is null || !_options.CountsData) && !_options.Salvage) return;
        while (_at < _lengthBytes)
        {
            FindExtent(cancellation);
            if (_action == CopyAction.Data || (_action == CopyAction.Zero && _options.SparseBytes == 0)) _dataBytes += _extentEnd - _at;
            _at = _extentEnd;
        }
        (_at, _extentEnd) = (0, 0);
        _options.Progress?.Invoke(0);
    }

    /// <summary>The next piece; false at the end.</summary>
    internal bool TryNext(out CopyPiece piece, CancellationToken cancellation)
    {
        piece = default;
        if (_at >= _lengthBytes) return false;
        cancellation.ThrowIfCancellationRequested();
        if (_at >= _extentEnd) FindExtent(cancellation);
        long length = Math.Min(_extentEnd, _lengthBytes) - _at;
        CopyAction action = _action;
        if (_unitBytes != 0 && action != CopyAction.Keep)
        {
            // Units are stored whole: what begins with a part of one is data up to its end.
            if (length < _unitBytes) (length, action) = (Math.Min(_unitBytes, _lengthBytes - _at), CopyAction.Data);
            else length -= length % _unitBytes;
        }
        bool isFilled = action == CopyAction.Zero && _options.SparseBytes == 0;
        if (action == CopyAction.Data || isFilled) length = Math.Min(length, PieceBytes - (_unitBytes == 0 ? _at % PieceBytes : 0));
        piece = new CopyPiece(isFilled ? CopyAction.Data : action, isFilled ? null : _sources[IndexAt(_at)], _at, length);
        _at += length;
        return true;
    }

    /// <summary>Counts a piece that is stored.</summary>
    internal void Finished(CopyPiece piece)
    {
        if (_options.Progress is null) return;
        if (!_options.CountsData)
        {
            _options.Progress((double)(piece.Offset + piece.LengthBytes) / _lengthBytes);
            return;
        }
        if (piece.Action != CopyAction.Data) return;
        _doneBytes += piece.LengthBytes;
        _options.Progress(_dataBytes == 0 ? 1 : Math.Min(1, (double)_doneBytes / _dataBytes));
    }

    /// <summary>Reads a piece's data, across the borders of images. Any thread.</summary>
    internal void Read(CopyPiece piece, NativeBuffer buffer, IoSegment[] segment, CancellationToken cancellation)
    {
        if (piece.Source is null)
        {
            buffer.Span[..(int)piece.LengthBytes].Clear();
            return;
        }
        int index = IndexAt(piece.Offset);
        int done = 0, length = (int)piece.LengthBytes;
        while (done < length)
        {
            long within = piece.Offset + done - _starts[index];
            int part = (int)Math.Min(length - done, _sources[index].LengthBytes - within);
            if (part > 0) ReadPart(_sources[index], within, buffer, done, part, segment, cancellation);
            done += part;
            if (++index < _sources.Count) continue;
            buffer.Span[done..length].Clear();
            return;
        }
    }

    private void ReadPart(BlockNode source, long offset, NativeBuffer buffer, int at, int length, IoSegment[] segment, CancellationToken cancellation)
    {
        try
        {
            segment[0] = buffer.Segment(at, length);
            Blocking.Wait(source.ReadAsync(offset, new IoVector(segment), cancellation));
        }
        catch (BlockIoException) when (_options.Salvage && length > SectorBytes)
        {
            // Sector by sector: only what really cannot be read is lost.
            for (int i = 0; i < length; i += SectorBytes) ReadPart(source, offset + i, buffer, at + i, Math.Min(SectorBytes, length - i), segment, cancellation);
        }
        catch (BlockIoException e) when (_options.Salvage)
        {
            _options.Warn?.Invoke($"error while reading offset {offset}: {ErrorText.Of(e)}");
            buffer.Span.Slice(at, length).Clear();
        }
        catch (BlockIoException e)
        {
            throw new CopyException($"error while reading at byte {offset}: {ErrorText.Of(e)}", e);
        }
    }

    private int IndexAt(long offset)
    {
        int index = 0;
        while (index + 1 < _starts.Length && _starts[index + 1] <= offset) index++;
        return index;
    }

    // Sets the action and the end of the run that begins at the present position. Short extents of one kind are taken together, up to a piece.
    private void FindExtent(CancellationToken cancellation)
    {
        (_action, _extentEnd) = FindRun(_at, cancellation);
        while (_extentEnd - _at < PieceBytes && _extentEnd < _lengthBytes && !_options.Salvage)
        {
            (CopyAction next, long end) = FindRun(_extentEnd, cancellation);
            if (next != _action) return;
            _extentEnd = end;
        }
    }

    private (CopyAction Action, long End) FindRun(long at, CancellationToken cancellation)
    {
        int index = IndexAt(at);
        BlockNode source = _sources[index];
        long within = at - _starts[index];
        long length = Math.Min(source.LengthBytes - within, _lengthBytes - at);
        if (length <= 0) throw new BlockIoException($"\"{source.Filename}\" became shorter.");
        BlockNode? limit = _options.TargetBackingBytes is null ? null : ChainExtent.BackingOf(source);
        ChainExtent extent = FindOrSalvage(source, within, length, limit, cancellation);
        bool isBacked = _options.TargetBackingBytes is long backed && ((!extent.IsAllocated && !extent.IsZero) || (extent.IsZero && at >= backed));
        return (isBacked ? CopyAction.Keep : extent.IsZero ? CopyAction.Zero : CopyAction.Data, at + extent.LengthBytes);
    }

    private ChainExtent FindOrSalvage(BlockNode source, long offset, long length, BlockNode? limit, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                return Blocking.Wait(ChainExtent.FindAsync(source, offset, length, limit, cancellation));
            }
            catch (BlockIoException) when (_options.Salvage && length > SectorBytes)
            {
                length = ((length / SectorBytes) + 3) / 4 * SectorBytes;
            }
            catch (BlockIoException e) when (_options.Salvage)
            {
                _options.Warn?.Invoke($"error while reading block status at offset {offset}: {ErrorText.Of(e)}");
                // One sector is taken for data, so that it is tried to be read.
                return new ChainExtent(length, 0, true, true, false);
            }
            catch (BlockIoException e)
            {
                throw new CopyException($"error while reading block status at offset {offset}: {ErrorText.Of(e)}", e);
            }
        }
    }
}
