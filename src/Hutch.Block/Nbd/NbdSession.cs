using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Host.Sockets;

namespace Hutch.Block.Nbd;

/// <summary>
/// One connection of a client. Requests go out whole, each with a cookie; answers come in any order, read by one task. Whatever breaks the protocol ends the
/// session and with it all requests in flight. Memory of a read is written only while its request is in flight.
/// </summary>
internal sealed class NbdSession : IAsyncDisposable
{
    private const int MostInFlight = 32, LongestStatusBytes = 1 << 20;

    private readonly NbdChannel _channel;
    private readonly SemaphoreSlim _room = new(MostInFlight);
    private readonly Lock _lock = new();
    private readonly NbdRequest?[] _slots = new NbdRequest?[MostInFlight];
    private readonly ulong[] _cookies = new ulong[MostInFlight];
    private readonly Task _receiver;
    private ulong _generation;
    private NbdException? _lost;

    private NbdSession(Stream stream, NbdExportInfo info)
    {
        (_channel, Info) = (new NbdChannel(stream), info);
        _receiver = ReceiveAsync();
    }

    /// <summary>The export.</summary>
    internal NbdExportInfo Info { get; }

    /// <summary>The connection is gone; requests fail at once.</summary>
    internal bool IsLost
    {
        get
        {
            lock (_lock) return _lost is not null;
        }
    }

    /// <summary>A session over a stream on which the handshake is done; owns the stream.</summary>
    internal static NbdSession Over(Stream stream, NbdExportInfo info) => new(stream, info);

    /// <summary>Connects and comes to terms. Throws <see cref="NbdException"/>.</summary>
    internal static async ValueTask<NbdSession> ConnectAsync(NbdClientOptions options, CancellationToken cancellation)
    {
        NbdAddress address = options.Address;
        string where = address.UnixPath ?? $"{address.Host}:{address.Port}";
        using CancellationTokenSource patience = new(options.OpenTimeout, options.Time);
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellation);
        Stream? stream = null;
        try
        {
            stream = address.UnixPath is not null
                ? await StreamSocket.ConnectUnixAsync(address.UnixPath, both.Token).ConfigureAwait(false)
                : await StreamSocket.ConnectTcpAsync(address.Host, address.Port, both.Token).ConfigureAwait(false);
            (stream, NbdExportInfo info) = await NbdClientHandshake.RunAsync(stream, options, both.Token).ConfigureAwait(false);
            return new NbdSession(stream, info);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or DiskOpenException)
        {
            if (stream is not null) await stream.DisposeAsync().ConfigureAwait(false);
            cancellation.ThrowIfCancellationRequested();
            throw e switch
            {
                NbdException or DiskOpenException => e,
                _ when patience.IsCancellationRequested => new NbdException($"Failed to connect to '{where}': Connection timed out", e),
                SocketException or FileNotFoundException => new NbdException($"Failed to connect to '{where}': {e.Message}", e),
                _ => new NbdException($"Failed to read from '{where}': {e.Message}", e),
            };
        }
    }

    /// <summary>Carries a request out. Completes with its error in <see cref="NbdRequest.Errno"/>; throws <see cref="NbdException"/> where the connection is lost.</summary>
    internal async Task RunAsync(NbdRequest request)
    {
        await _room.WaitAsync().ConfigureAwait(false);
        try
        {
            ulong cookie = Register(request);
            byte[] header = new byte[NbdProtocol.RequestBytes];
            BinaryPrimitives.WriteUInt32BigEndian(header, NbdProtocol.RequestMagic);
            BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(4), (ushort)request.Flags);
            BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(6), (ushort)request.Command);
            BinaryPrimitives.WriteUInt64BigEndian(header.AsSpan(8), cookie);
            BinaryPrimitives.WriteUInt64BigEndian(header.AsSpan(16), (ulong)request.Offset);
            BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(24), request.LengthBytes);
            try
            {
                await _channel.SendAsync(header, request.Command == NbdCommand.Write ? request.Memory : default, CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
            {
                // The reader sees it too and answers for all requests.
                await _channel.DisposeAsync().ConfigureAwait(false);
            }
            await request.Done.ConfigureAwait(false);
        }
        finally
        {
            _ = _room.Release();
        }
    }

    /// <summary>Says goodbye and closes.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!IsLost)
        {
            try
            {
                byte[] header = new byte[NbdProtocol.RequestBytes];
                BinaryPrimitives.WriteUInt32BigEndian(header, NbdProtocol.RequestMagic);
                BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(6), (ushort)NbdCommand.Disconnect);
                using CancellationTokenSource patience = new(TimeSpan.FromSeconds(1));
                await _channel.SendAsync(header, default, patience.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
            {
                // A courtesy only.
            }
        }
        await _channel.DisposeAsync().ConfigureAwait(false);
        await _receiver.ConfigureAwait(false);
    }

    private ulong Register(NbdRequest request)
    {
        lock (_lock)
        {
            if (_lost is not null) throw new NbdException(_lost.Message, _lost);
            int slot = Array.IndexOf(_slots, null);
            _slots[slot] = request;
            // The slot, and a number that is never used again: a late answer meets nobody.
            return _cookies[slot] = (++_generation << 8) | (uint)slot;
        }
    }

    private NbdRequest Find(ulong cookie)
    {
        lock (_lock)
        {
            int slot = (int)(cookie & 0xff);
            return slot < MostInFlight && _cookies[slot] == cookie && _slots[slot] is NbdRequest request ? request : throw new NbdException("An answer to no request came");
        }
    }

    private void Complete(ulong cookie)
    {
        NbdRequest request;
        lock (_lock)
        {
            request = _slots[cookie & 0xff]!;
            _slots[cookie & 0xff] = null;
        }
        request.Complete();
    }

    private async Task ReceiveAsync()
    {
        Exception reason;
        try
        {
            while (true) await ReceiveOneAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            reason = e;
        }
        NbdException lost = reason as NbdException ?? new NbdException($"The connection to the server is lost: {reason.Message}", reason);
        List<NbdRequest> orphans = [];
        lock (_lock)
        {
            _lost = lost;
            for (int slot = 0; slot < MostInFlight; slot++)
            {
                if (_slots[slot] is NbdRequest request) orphans.Add(request);
                _slots[slot] = null;
            }
        }
        await _channel.DisposeAsync().ConfigureAwait(false);
        foreach (NbdRequest request in orphans) request.Lose(lost);
    }

    private async ValueTask ReceiveOneAsync()
    {
        ReadOnlyMemory<byte> header = await _channel.ReadAsync(NbdProtocol.SimpleReplyBytes, CancellationToken.None).ConfigureAwait(false);
        uint magic = BinaryPrimitives.ReadUInt32BigEndian(header.Span), second = BinaryPrimitives.ReadUInt32BigEndian(header.Span[4..]);
        ulong cookie = BinaryPrimitives.ReadUInt64BigEndian(header.Span[8..]);
        NbdRequest request = Find(cookie);
        if (magic == NbdProtocol.SimpleReplyMagic)
        {
            request.Errno = NbdErrors.FromWire(second);
            bool brings = request.Command is NbdCommand.Read && second == 0;
            if ((brings && Info.HasStructuredReplies) || (request.Command == NbdCommand.BlockStatus && second == 0)) throw new NbdException("Protocol error: simple reply when structured reply chunk was expected");
            if (brings) await _channel.ReadAsync(request.Memory, CancellationToken.None).ConfigureAwait(false);
            Complete(cookie);
            return;
        }
        if (magic != NbdProtocol.StructuredReplyMagic || !Info.HasStructuredReplies) throw new NbdException($"Invalid reply magic {NbdText.Hex(magic)}");
        header = await _channel.ReadAsync(4, CancellationToken.None).ConfigureAwait(false);
        await TakeChunkAsync(request, (NbdChunk)(second & 0xffff), BinaryPrimitives.ReadUInt32BigEndian(header.Span)).ConfigureAwait(false);
        if ((second >> 16 & NbdProtocol.ChunkDone) == 0) return;
        if (request.Errno == 0 && request.Command == NbdCommand.Read && request.ReceivedBytes != request.LengthBytes)
            throw new NbdException("Protocol error: server sent fewer bytes than were asked for");
        if (request.Errno == 0 && request.Command == NbdCommand.BlockStatus && request.Extents.Count == 0) throw new NbdException("Protocol error: server did not reply with any status extents");
        Complete(cookie);
    }

    private async ValueTask TakeChunkAsync(NbdRequest request, NbdChunk chunk, uint length)
    {
        switch (chunk)
        {
            case NbdChunk.None when length == 0:
                return;
            case NbdChunk.OffsetData when request.Command == NbdCommand.Read && length > 8:
                long at = TakeOffset(request, (await _channel.ReadAsync(8, CancellationToken.None).ConfigureAwait(false)).Span, length - 8);
                await _channel.ReadAsync(request.Memory.Slice(at, length - 8), CancellationToken.None).ConfigureAwait(false);
                return;
            case NbdChunk.OffsetHole when request.Command == NbdCommand.Read && length == 12:
                ReadOnlyMemory<byte> hole = await _channel.ReadAsync(12, CancellationToken.None).ConfigureAwait(false);
                uint size = BinaryPrimitives.ReadUInt32BigEndian(hole.Span[8..]);
                request.Memory.Slice(TakeOffset(request, hole.Span, size), size).Clear();
                return;
            case NbdChunk.BlockStatus when request.Command == NbdCommand.BlockStatus && length is >= 12 and <= LongestStatusBytes && length % 8 == 4:
                await TakeStatusAsync(request, (int)length).ConfigureAwait(false);
                return;
            case >= NbdChunk.FirstError when length is >= 6 and <= 65536 - 64:
                TakeError(request, chunk, (await _channel.ReadAsync((int)length, CancellationToken.None).ConfigureAwait(false)).Span);
                return;
            default:
                throw new NbdException($"Protocol error: invalid chunk {NbdText.Hex((ulong)chunk)} of {length} bytes");
        }
    }

    private static long TakeOffset(NbdRequest request, ReadOnlySpan<byte> data, uint length)
    {
        ulong at = BinaryPrimitives.ReadUInt64BigEndian(data) - (ulong)request.Offset;
        if (length == 0 || at > request.LengthBytes || length > request.LengthBytes - at) throw new NbdException("Protocol error: server sent a chunk outside of the requested region");
        request.ReceivedBytes += length;
        if (request.ReceivedBytes > request.LengthBytes) throw new NbdException("Protocol error: server sent more bytes than were asked for");
        return (long)at;
    }

    private async ValueTask TakeStatusAsync(NbdRequest request, int length)
    {
        ReadOnlyMemory<byte> id = await _channel.ReadAsync(4, CancellationToken.None).ConfigureAwait(false);
        if (BinaryPrimitives.ReadUInt32BigEndian(id.Span) != Info.ContextId) throw new NbdException("Protocol error: unexpected context id in block status");
        long left = request.LengthBytes;
        for (int at = 4; at < length; at += 8)
        {
            ReadOnlyMemory<byte> extent = await _channel.ReadAsync(8, CancellationToken.None).ConfigureAwait(false);
            uint bytes = BinaryPrimitives.ReadUInt32BigEndian(extent.Span);
            if (bytes == 0) throw new NbdException("Protocol error: server sent an empty extent");
            // The last may reach over the end of what was asked.
            if (left > 0) request.Extents.Add(new NbdExtent(Math.Min(bytes, left), BinaryPrimitives.ReadUInt32BigEndian(extent.Span[4..])));
            left -= bytes;
        }
    }

    private static void TakeError(NbdRequest request, NbdChunk chunk, ReadOnlySpan<byte> data)
    {
        int length = BinaryPrimitives.ReadUInt16BigEndian(data[4..]), rest = chunk == NbdChunk.ErrorOffset ? 8 : 0;
        if (length > data.Length - 6 - rest) throw new NbdException("Protocol error: server sent structured error chunk with incorrect message size");
        // An error of 0 is none, and must not pass for success.
        int errno = NbdErrors.FromWire(BinaryPrimitives.ReadUInt32BigEndian(data));
        if (request.Errno != 0) return;
        (request.Errno, request.Message) = (errno == 0 ? NbdErrors.Invalid : errno, NbdText.Printable(data.Slice(6, length)));
    }
}
