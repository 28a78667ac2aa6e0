using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Nbd;

/// <summary>
/// A connection in its transmission phase: bytes come in through a buffer, to one reader at a time; messages go out whole, whoever sends them. Throws
/// <see cref="IOException"/> (<see cref="EndOfStreamException"/> among them) where the connection is gone.
/// </summary>
internal sealed class NbdChannel : IAsyncDisposable
{
    private const int BufferBytes = 64 * 1024, LongBytes = 16 * 1024;

    private readonly Stream _stream;
    private readonly SemaphoreSlim _sending = new(1);
    private readonly byte[] _in = new byte[BufferBytes], _out = new byte[BufferBytes];
    private readonly IoMemory _inMemory = new(), _outMemory = new();
    private int _first, _end;

    /// <summary>Makes a channel and owns the stream.</summary>
    internal NbdChannel(Stream stream) => _stream = stream;

    /// <summary>Bytes of a header, valid until the next call. At most 64 KiB.</summary>
    internal async ValueTask<ReadOnlyMemory<byte>> ReadAsync(int lengthBytes, CancellationToken cancellation)
    {
        if (_end - _first < lengthBytes)
        {
            _in.AsSpan(_first, _end - _first).CopyTo(_in);
            (_first, _end) = (0, _end - _first);
            while (_end < lengthBytes) _end += await ReceiveAsync(_in.AsMemory(_end), cancellation).ConfigureAwait(false);
        }
        _first += lengthBytes;
        return _in.AsMemory(_first - lengthBytes, lengthBytes);
    }

    /// <summary>Fills memory. The memory may be gone when this throws, and not before.</summary>
    internal async ValueTask ReadAsync(IoVector destination, CancellationToken cancellation)
    {
        for (long done = 0; done < destination.LengthBytes;)
        {
            if (_first == _end)
            {
                (_first, _end) = (0, 0);
                IoSegment segment = SegmentAt(destination, done);
                if (segment.LengthBytes >= LongBytes)
                {
                    if (segment.LengthBytes > int.MaxValue) segment = segment.Slice(0, int.MaxValue);
                    done += await ReceiveAsync(_inMemory.Show(segment), cancellation).ConfigureAwait(false);
                    continue;
                }
                _end = await ReceiveAsync(_in, cancellation).ConfigureAwait(false);
            }
            int length = (int)Math.Min(_end - _first, destination.LengthBytes - done);
            CopyIn(destination, done, _in.AsSpan(_first, length));
            _first += length;
            done += length;
        }
    }

    /// <summary>Reads bytes and forgets them.</summary>
    internal async ValueTask SkipAsync(long lengthBytes, CancellationToken cancellation)
    {
        while (lengthBytes > 0)
        {
            if (_first == _end)
            {
                _first = 0;
                _end = await ReceiveAsync(_in, cancellation).ConfigureAwait(false);
            }
            int length = (int)Math.Min(_end - _first, lengthBytes);
            _first += length;
            lengthBytes -= length;
        }
    }

    /// <summary>Sends a header and what follows it, after the messages of others that are on their way.</summary>
    internal async ValueTask SendAsync(ReadOnlyMemory<byte> header, IoVector payload, CancellationToken cancellation)
    {
        await _sending.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            header.CopyTo(_out);
            int filled = header.Length;
            for (int i = 0; i < payload.Segments.Length; i++)
            {
                IoSegment segment = payload.Segments[i];
                if (filled != 0 && segment.LengthBytes > BufferBytes - filled)
                {
                    await _stream.WriteAsync(_out.AsMemory(0, filled), cancellation).ConfigureAwait(false);
                    filled = 0;
                }
                if (segment.LengthBytes <= LongBytes)
                {
                    filled += segment.CopyTo(_out.AsSpan(filled));
                    continue;
                }
                // A long one is worth a call of its own, and with the header before it, if that is all there is.
                if (filled != 0)
                {
                    await _stream.WriteAsync(_out.AsMemory(0, filled), cancellation).ConfigureAwait(false);
                    filled = 0;
                }
                for (nint at = 0; at < segment.LengthBytes;)
                {
                    nint part = Math.Min(segment.LengthBytes - at, int.MaxValue);
                    await _stream.WriteAsync(_outMemory.Show(segment.Slice(at, part)), cancellation).ConfigureAwait(false);
                    at += part;
                }
            }
            if (filled != 0) await _stream.WriteAsync(_out.AsMemory(0, filled), cancellation).ConfigureAwait(false);
        }
        finally
        {
            _ = _sending.Release();
        }
    }

    /// <summary>Closes the connection; reads and sends that wait end with an exception.</summary>
    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    private async ValueTask<int> ReceiveAsync(Memory<byte> destination, CancellationToken cancellation)
    {
        int count = await _stream.ReadAsync(destination, cancellation).ConfigureAwait(false);
        return count != 0 ? count : throw new EndOfStreamException("The connection was closed by the other side.");
    }

    private static IoSegment SegmentAt(IoVector vector, long offset)
    {
        foreach (IoSegment segment in vector.Segments)
        {
            if (offset < segment.LengthBytes) return segment.Slice((nint)offset, segment.LengthBytes - (nint)offset);
            offset -= segment.LengthBytes;
        }
        return default;
    }

    private static void CopyIn(IoVector destination, long offset, ReadOnlySpan<byte> source)
    {
        foreach (IoSegment segment in destination.Segments)
        {
            if (offset >= segment.LengthBytes)
            {
                offset -= segment.LengthBytes;
                continue;
            }
            source = source[segment.Slice((nint)offset, segment.LengthBytes - (nint)offset).CopyFrom(source)..];
            offset = 0;
            if (source.Length == 0) return;
        }
    }
}
