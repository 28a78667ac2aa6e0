using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Nbd;

/// <summary>
/// One client's requests. They are read one after the other and carried out at once, several together; answers go out as they are ready. A client holds at most
/// <see cref="MostBytes"/> of memory in <see cref="MostRequests"/> requests: beyond that its next request is not read.
/// </summary>
internal sealed class NbdServerSession : IDisposable
{
    private const int MostRequests = 16;
    private const long MostBytes = 2L * NbdProtocol.LargestPayload;

    // Shorter reads are not worth a look for holes.
    private const int ShortestSparseRead = 32 * 1024;
    private const int MostExtents = 1024;
    private static readonly TimeSpan LongestGoodbye = TimeSpan.FromSeconds(10);
    private const uint LongestExtent = 1u << 31;

    private readonly NbdChannel _channel;
    private readonly NbdServerChoice _choice;
    private readonly BlockNode _node;
    private readonly SemaphoreSlim _room = new(MostRequests);
    private readonly SemaphoreSlim _freed = new(0);
    private readonly NbdPieces _pieces = new();
    private long _bytes;

    /// <summary>Begins; closes the stream at the end.</summary>
    internal NbdServerSession(Stream stream, NbdServerChoice choice) => (_channel, _choice, _node) = (new NbdChannel(stream), choice, choice.Export.Node);

    /// <summary>Serves until the client says goodbye or the connection ends; all that was begun is finished then. Throws <see cref="IOException"/>.</summary>
    internal async Task RunAsync(CancellationToken cancellation)
    {
        bool goodbye = false;
        try
        {
            while (await TakeAsync(cancellation).ConfigureAwait(false)) { }
            goodbye = true;
        }
        finally
        {
            // The node is not used any more when this returns. Who said goodbye may still read answers, but not for ever; others get none.
            Task done = AllDoneAsync();
            if (goodbye)
            {
                using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                patience.CancelAfter(LongestGoodbye);
                await Task.WhenAny(done, Task.Delay(Timeout.Infinite, patience.Token)).ConfigureAwait(false);
            }
            await _channel.DisposeAsync().ConfigureAwait(false);
            await done.ConfigureAwait(false);
        }
    }

    /// <summary>Gives memory back, when <see cref="RunAsync"/> has ended.</summary>
    public void Dispose()
    {
        _pieces.Dispose();
        _freed.Dispose();
        _room.Dispose();
    }

    private async Task AllDoneAsync()
    {
        for (int i = 0; i < MostRequests; i++) await _room.WaitAsync().ConfigureAwait(false);
    }

    // False at the client's goodbye.
    private async ValueTask<bool> TakeAsync(CancellationToken cancellation)
    {
        NbdServerRequest request = Parse((await _channel.ReadAsync(NbdProtocol.RequestBytes, cancellation).ConfigureAwait(false)).Span);
        if (request.Command == NbdCommand.Disconnect) return false;
        bool brings = request.Command == NbdCommand.Write;
        if (brings && request.LengthBytes > NbdProtocol.LargestPayload) throw new NbdException($"it writes {request.LengthBytes} bytes at once");
        int errno = request.Check(_choice);
        await _room.WaitAsync(cancellation).ConfigureAwait(false);
        NbdPayload? payload = null;
        bool begun = false;
        try
        {
            if (errno == 0 && request.Command is NbdCommand.Read or NbdCommand.Write) await TakeBytesAsync(request.LengthBytes, cancellation).ConfigureAwait(false);
            if (brings)
            {
                if (errno != 0) await _channel.SkipAsync(request.LengthBytes, cancellation).ConfigureAwait(false);
                else payload = await ReceiveAsync(request.LengthBytes, cancellation).ConfigureAwait(false);
            }
            begun = true;
        }
        finally
        {
            if (!begun) _ = _room.Release();
        }
        _ = FinishAsync(request, errno, payload, cancellation);
        return true;
    }

    private static NbdServerRequest Parse(ReadOnlySpan<byte> header)
    {
        uint magic = BinaryPrimitives.ReadUInt32BigEndian(header);
        if (magic != NbdProtocol.RequestMagic) throw new NbdException($"it sends {NbdText.Hex(magic)} where a request must begin");
        return new NbdServerRequest((NbdCommand)BinaryPrimitives.ReadUInt16BigEndian(header[6..]), (NbdCommandFlags)BinaryPrimitives.ReadUInt16BigEndian(header[4..]),
            BinaryPrimitives.ReadUInt64BigEndian(header[8..]), BinaryPrimitives.ReadUInt64BigEndian(header[16..]), BinaryPrimitives.ReadUInt32BigEndian(header[24..]));
    }

    // Memory is taken as data comes, so that a promise of data takes none.
    private async ValueTask<NbdPayload> ReceiveAsync(uint length, CancellationToken cancellation)
    {
        NbdPayload payload = new(_pieces);
        try
        {
            while (payload.LengthBytes < length) await _channel.ReadAsync(payload.Grow(length - payload.LengthBytes), cancellation).ConfigureAwait(false);
            return payload;
        }
        catch
        {
            payload.Dispose();
            throw;
        }
    }

    // Only the reader takes; whoever ends a request gives back.
    private async ValueTask TakeBytesAsync(uint length, CancellationToken cancellation)
    {
        while (Interlocked.Read(ref _bytes) + length > MostBytes) await _freed.WaitAsync(cancellation).ConfigureAwait(false);
        _ = Interlocked.Add(ref _bytes, length);
    }

    // A wall: nothing that happens to one request may end the process, or leave its place taken.
    private async Task FinishAsync(NbdServerRequest request, int errno, NbdPayload? payload, CancellationToken cancellation)
    {
        try
        {
            if (errno != 0) await FailAsync(request, errno, "", cancellation).ConfigureAwait(false);
            else await CarryOutAsync(request, payload, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException and not BlockIoException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The connection is gone; the reader finds out by itself.
        }
        catch (Exception e)
        {
            await TryFailAsync(request, e, cancellation).ConfigureAwait(false);
        }
        finally
        {
            payload?.Dispose();
            if (errno == 0 && request.Command is NbdCommand.Read or NbdCommand.Write)
            {
                _ = Interlocked.Add(ref _bytes, -(long)request.LengthBytes);
                _ = _freed.Release();
            }
            _ = _room.Release();
        }
    }

    private async ValueTask TryFailAsync(NbdServerRequest request, Exception failure, CancellationToken cancellation)
    {
        try
        {
            await FailAsync(request, NbdErrors.Of(failure), failure.Message, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // As above.
        }
    }

    private async ValueTask CarryOutAsync(NbdServerRequest request, NbdPayload? payload, CancellationToken cancellation)
    {
        WriteFlags durable = request.Has(NbdCommandFlags.Fua) ? WriteFlags.Durable : WriteFlags.None;
        switch (request.Command)
        {
            case NbdCommand.Read when _choice.Structured && !request.Has(NbdCommandFlags.DontFragment) && request.LengthBytes >= ShortestSparseRead:
                await ReadSparseAsync(request, cancellation).ConfigureAwait(false);
                return;
            case NbdCommand.Read:
                await ReadAsync(request, cancellation).ConfigureAwait(false);
                return;
            case NbdCommand.BlockStatus:
                await TellStatusAsync(request, cancellation).ConfigureAwait(false);
                return;
            case NbdCommand.Write:
                await _node.WriteAsync(request.At, payload!.Vector, durable, CancellationToken.None).ConfigureAwait(false);
                break;
            case NbdCommand.WriteZeroes:
                if (!request.Has(NbdCommandFlags.NoHole)) durable |= WriteFlags.MayUnmap;
                if (request.Has(NbdCommandFlags.FastZero)) durable |= WriteFlags.NoFallback;
                if (request.LengthBytes != 0) await _node.WriteZeroesAsync(request.At, request.LengthBytes, durable, CancellationToken.None).ConfigureAwait(false);
                break;
            case NbdCommand.Trim:
                if (request.LengthBytes != 0) await _node.DiscardAsync(request.At, request.LengthBytes, CancellationToken.None).ConfigureAwait(false);
                if (durable != WriteFlags.None) await _node.FlushAsync(CancellationToken.None).ConfigureAwait(false);
                break;
            case NbdCommand.Flush:
                await _node.FlushAsync(CancellationToken.None).ConfigureAwait(false);
                break;
        }
        await _channel.SendAsync(SimpleHeader(request, 0), default, cancellation).ConfigureAwait(false);
    }

    private async ValueTask ReadAsync(NbdServerRequest request, CancellationToken cancellation)
    {
        using NbdPayload payload = NbdPayload.Of(_pieces, request.LengthBytes);
        IoVector vector = payload.Vector;
        if (request.LengthBytes != 0) await _node.ReadAsync(request.At, vector, CancellationToken.None).ConfigureAwait(false);
        byte[] header = !_choice.Structured ? SimpleHeader(request, 0)
            : request.LengthBytes == 0 ? ChunkHeader(request, NbdChunk.None, 0, true)
            : DataHeader(request, request.Offset, request.LengthBytes, true);
        await _channel.SendAsync(header, vector, cancellation).ConfigureAwait(false);
    }

    // Zeros travel as holes.
    private async ValueTask ReadSparseAsync(NbdServerRequest request, CancellationToken cancellation)
    {
        for (long at = request.At, end = at + request.LengthBytes; at < end;)
        {
            NbdLayer layer = await NbdLayer.FindAsync(_node, at, end - at, cancellation).ConfigureAwait(false);
            uint length = (uint)Math.Min(end - at, layer.LengthBytes);
            bool last = at + length == end;
            if (layer.IsZero)
            {
                byte[] header = ChunkHeader(request, NbdChunk.OffsetHole, 12, last, extraBytes: 12);
                BinaryPrimitives.WriteUInt64BigEndian(header.AsSpan(NbdProtocol.StructuredReplyBytes), (ulong)at);
                BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(NbdProtocol.StructuredReplyBytes + 8), length);
                await _channel.SendAsync(header, default, cancellation).ConfigureAwait(false);
            }
            else
            {
                using NbdPayload payload = NbdPayload.Of(_pieces, length);
                IoVector vector = payload.Vector;
                await _node.ReadAsync(at, vector, CancellationToken.None).ConfigureAwait(false);
                await _channel.SendAsync(DataHeader(request, (ulong)at, length, last), vector, cancellation).ConfigureAwait(false);
            }
            at += length;
        }
    }

    private async ValueTask TellStatusAsync(NbdServerRequest request, CancellationToken cancellation)
    {
        IReadOnlyList<string> names = _choice.Export.Contexts;
        for (int i = 0; i < _choice.Contexts.Count; i++)
        {
            int id = _choice.Contexts[i];
            List<NbdExtent> extents = await CollectAsync(names[id], request, cancellation).ConfigureAwait(false);
            byte[] message = ChunkHeader(request, NbdChunk.BlockStatus, 4 + (8 * extents.Count), last: i == _choice.Contexts.Count - 1, extraBytes: 4 + (8 * extents.Count));
            Span<byte> data = message.AsSpan(NbdProtocol.StructuredReplyBytes);
            BinaryPrimitives.WriteUInt32BigEndian(data, (uint)id);
            for (int e = 0; e < extents.Count; e++)
            {
                BinaryPrimitives.WriteUInt32BigEndian(data[(4 + (8 * e))..], (uint)extents[e].LengthBytes);
                BinaryPrimitives.WriteUInt32BigEndian(data[(8 + (8 * e))..], extents[e].State);
            }
            await _channel.SendAsync(message, default, cancellation).ConfigureAwait(false);
        }
    }

    private async ValueTask<List<NbdExtent>> CollectAsync(string context, NbdServerRequest request, CancellationToken cancellation)
    {
        List<NbdExtent> extents = [];
        for (long at = request.At, end = at + request.LengthBytes; at < end;)
        {
            NbdExtent extent = await _choice.Export.GetStateAsync(context, at, Math.Min(end - at, LongestExtent), cancellation).ConfigureAwait(false);
            at += extent.LengthBytes;
            if (extents.Count != 0 && extents[^1].State == extent.State && extents[^1].LengthBytes + extent.LengthBytes <= LongestExtent)
                extents[^1] = extents[^1] with { LengthBytes = extents[^1].LengthBytes + extent.LengthBytes };
            else if (extents.Count == (request.Has(NbdCommandFlags.RequestOne) ? 1 : MostExtents)) break;
            else extents.Add(extent);
        }
        return extents;
    }

    private ValueTask FailAsync(NbdServerRequest request, int errno, string text, CancellationToken cancellation)
    {
        if (!_choice.Structured) return _channel.SendAsync(SimpleHeader(request, errno), default, cancellation);
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        int length = Math.Min(bytes.Length, NbdProtocol.LongestText);
        byte[] message = ChunkHeader(request, NbdChunk.Error, 6 + length, last: true, extraBytes: 6 + length);
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(NbdProtocol.StructuredReplyBytes), (uint)errno);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(NbdProtocol.StructuredReplyBytes + 4), (ushort)length);
        bytes.AsSpan(0, length).CopyTo(message.AsSpan(NbdProtocol.StructuredReplyBytes + 6));
        return _channel.SendAsync(message, default, cancellation);
    }

    private static byte[] SimpleHeader(NbdServerRequest request, int errno)
    {
        byte[] header = new byte[NbdProtocol.SimpleReplyBytes];
        BinaryPrimitives.WriteUInt32BigEndian(header, NbdProtocol.SimpleReplyMagic);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(4), (uint)errno);
        BinaryPrimitives.WriteUInt64BigEndian(header.AsSpan(8), request.Cookie);
        return header;
    }

    private static byte[] DataHeader(NbdServerRequest request, ulong offset, uint length, bool last)
    {
        byte[] header = ChunkHeader(request, NbdChunk.OffsetData, 8 + (int)length, last, extraBytes: 8);
        BinaryPrimitives.WriteUInt64BigEndian(header.AsSpan(NbdProtocol.StructuredReplyBytes), offset);
        return header;
    }

    private static byte[] ChunkHeader(NbdServerRequest request, NbdChunk chunk, int lengthBytes, bool last, int extraBytes = 0)
    {
        byte[] header = new byte[NbdProtocol.StructuredReplyBytes + extraBytes];
        BinaryPrimitives.WriteUInt32BigEndian(header, NbdProtocol.StructuredReplyMagic);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(4), last ? NbdProtocol.ChunkDone : (ushort)0);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(6), (ushort)chunk);
        BinaryPrimitives.WriteUInt64BigEndian(header.AsSpan(8), request.Cookie);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(16), (uint)lengthBytes);
        return header;
    }
}
