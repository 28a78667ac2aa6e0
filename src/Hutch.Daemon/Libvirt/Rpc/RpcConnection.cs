using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Daemon.Libvirt.Xdr;
using Hutch.Host.Time;
using Hutch.Management;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>
/// One client's connection. One task reads and begins calls, which answer on it until they first wait; another sends. An event that a call causes is posted before
/// the call's reply. A peer that breaks the protocol or does not read loses its connection and nothing else.
/// </summary>
internal sealed class RpcConnection : IDisposable
{
    private readonly Stream _stream;
    private readonly ProcedureTable _procedures;
    private readonly IClock _clock;
    private readonly Action<string> _log;
    private readonly Outbox _outbox = new();
    private readonly CancellationTokenSource _ending = new();
    private readonly SemaphoreSlim _calls = new(ClientLimits.Calls, ClientLimits.Calls);
    private readonly KeepAlive _keepAlive = new();
    private readonly StreamTable _streams;

    /// <summary>Takes the stream over.</summary>
    /// <param name="stream">Bytes to and from the peer.</param>
    /// <param name="identity">Who that is.</param>
    /// <param name="isReadOnly">It may only look.</param>
    /// <param name="procedures">What is answered.</param>
    /// <param name="clock">For keepalive.</param>
    /// <param name="log">Takes a sentence about a defect of ours or a peer's bad manners.</param>
    internal RpcConnection(Stream stream, ClientIdentity identity, bool isReadOnly, ProcedureTable procedures, IClock clock, Action<string> log)
    {
        (_stream, _procedures, _clock, _log) = (stream, procedures, clock, log);
        _streams = new StreamTable(_outbox);
        Client = new Client(identity, isReadOnly, Post);
        _keepAlive.Hear(clock.MonotonicNanoseconds);
    }

    internal Client Client { get; }

    /// <summary>Serves until the peer is gone, is given up, or <see cref="Abort"/>. Throws nothing.</summary>
    internal async Task RunAsync()
    {
        Task sending = SendAsync();
        try
        {
            await ReadAsync().ConfigureAwait(false);
        }
        catch (ProtocolException broken)
        {
            _log($"A client of user {Client.Identity.User} (process {Client.Identity.ProcessId}) sent {broken.Message}; its connection is closed.");
        }
        catch (Exception gone) when (gone is IOException or OperationCanceledException or ObjectDisposedException)
        {
        }
        // Whoever said that it closes still gets the answer; others are not there to read.
        if (Client.IsClosing) _outbox.Close();
        else Abort();
        await sending.ConfigureAwait(false);
        Abort();
    }

    /// <summary>Ends the connection. Any thread, any number of times.</summary>
    internal void Abort()
    {
        _outbox.Close();
        _ending.Cancel();
    }

    /// <summary>Asks a silent peer whether it lives, and gives a dead one up. About once a second.</summary>
    internal void Tick()
    {
        if (!Client.WantsKeepAlive) return;
        KeepAliveStep step;
        lock (_keepAlive) step = _keepAlive.Next(_clock.MonotonicNanoseconds);
        if (step == KeepAliveStep.SendPing) Post(KeepAlive.PingPacket);
        else if (step == KeepAliveStep.GiveUp) Abort();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // Neither the source nor the semaphore holds anything of the system's, and calls that still wait use both.
        Abort();
        Client.Subscriptions.Dispose();
        _streams.Dispose();
        _stream.Dispose();
    }

    private async Task ReadAsync()
    {
        PacketReader reader = new(_stream);
        while (!Client.IsClosing)
        {
            int longest = Client.Uri is null ? ClientLimits.LongestBeforeOpen : PacketHeader.LongestPacket;
            if (await reader.ReadAsync(longest, _ending.Token).ConfigureAwait(false) is not { } packet) return;
            lock (_keepAlive) _keepAlive.Hear(_clock.MonotonicNanoseconds);
            if (packet.Header.Program == KeepAlive.Program)
            {
                if (packet.Header.Procedure == KeepAlive.Ping) Post(KeepAlive.PongPacket);
                continue;
            }
            switch (packet.Header.Type)
            {
                case PacketType.Call:
                    await BeginAsync(packet, refusal: null).ConfigureAwait(false);
                    break;
                case PacketType.CallWithFds:
                    await SkipDescriptorsAsync(reader, packet).ConfigureAwait(false);
                    await BeginAsync(packet, new LibvirtException(ErrorCode.NoSupport, ErrorDomain.Rpc, $"this function is not supported by the connection driver: file descriptors with procedure {packet.Header.Procedure}"))
                        .ConfigureAwait(false);
                    break;
                case PacketType.Stream:
                    await _streams.TakeAsync(packet).ConfigureAwait(false);
                    break;
                // Nobody asked for holes.
                case PacketType.StreamHole:
                    break;
                default:
                    throw new ProtocolException($"a packet of the type {packet.Header.Type}, which only a server sends");
            }
        }
    }

    // The kernel closes descriptors that nobody takes; a byte of the stream comes with each.
    private async ValueTask SkipDescriptorsAsync(PacketReader reader, Packet packet)
    {
        uint count = packet.Payload.Length < sizeof(uint) ? 0 : new XdrReader(packet.Payload.Span).ReadUInt32();
        if (count > ClientLimits.Descriptors) throw new ProtocolException($"a packet with {count} file descriptors, where {ClientLimits.Descriptors} are allowed");
        if (!await reader.SkipAsync((int)count, _ending.Token).ConfigureAwait(false)) throw new IOException("The peer is gone.");
    }

    private async ValueTask BeginAsync(Packet packet, LibvirtException? refusal)
    {
        await _calls.WaitAsync(_ending.Token).ConfigureAwait(false);
        _ = AnswerAsync(packet, refusal);
    }

    private async Task AnswerAsync(Packet packet, LibvirtException? refusal)
    {
        XdrWriter reply = new();
        PacketStatus status = PacketStatus.Ok;
        try
        {
            if (refusal is not null) throw refusal;
            if (packet.Header.Status != PacketStatus.Ok) throw new LibvirtException(ErrorCode.Rpc, ErrorDomain.Rpc, $"Unexpected message status {(int)packet.Header.Status}");
            await _procedures.Find(packet.Header, Client).Answer(new Call(Client, packet.Header, _streams, _ending.Token), packet.Payload, reply).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            (reply, status) = (new XdrWriter(), PacketStatus.Error);
            ErrorOf(packet.Header, failure).ToError().Write(reply);
        }
        await _outbox.PostReply((packet.Header with { Type = PacketType.Reply, Status = status }).Frame(reply.Written)).ConfigureAwait(false);
        _calls.Release();
    }

    private LibvirtException ErrorOf(PacketHeader header, Exception failure) => failure switch
    {
        LibvirtException refused => refused,
        ManagementException refused => Failures.Translate(refused),
        XdrException broken => new LibvirtException(ErrorCode.Rpc, ErrorDomain.Rpc, $"Unable to decode message payload: {broken.Message}"),
        OperationCanceledException => new LibvirtException(ErrorCode.OperationTimeout, ErrorDomain.Rpc, "the operation was cancelled"),
        _ => Confess(header, failure),
    };

    private LibvirtException Confess(PacketHeader header, Exception defect)
    {
        _log($"Procedure {header.Procedure} failed by a defect of hutchd: {defect}");
        return new LibvirtException(ErrorCode.InternalError, ErrorDomain.Rpc, $"internal error: {defect.Message}");
    }

    private void Post(byte[] message)
    {
        if (_outbox.TryPostMessage(message) || _ending.IsCancellationRequested) return;
        _log($"A client of user {Client.Identity.User} (process {Client.Identity.ProcessId}) left {Outbox.MostMessages} messages unread; its connection is closed.");
        Abort();
    }

    private async Task SendAsync()
    {
        try
        {
            await _outbox.SendAsync(_stream, _ending.Token).ConfigureAwait(false);
        }
        catch (Exception gone) when (gone is IOException or OperationCanceledException or ObjectDisposedException)
        {
            _ending.Cancel();
        }
    }
}
