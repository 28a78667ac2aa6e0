using System;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Daemon.Libvirt.Protocol;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Daemon.Libvirt.Xdr;

namespace Hutch.Tests.Daemon.Libvirt;

/// <summary>A client of the wire protocol that sends what it is told to.</summary>
internal sealed class RpcPeer : IDisposable
{
    private readonly NetworkStream _stream;
    private readonly PacketReader _reader;
    private uint _serial;

    internal RpcPeer(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        _stream = new NetworkStream(socket, ownsSocket: true);
        _reader = new PacketReader(_stream);
    }

    public void Dispose() => _stream.Dispose();

    /// <summary>A peer that has opened its connection.</summary>
    internal static async Task<RpcPeer> OpenAsync(string path, uint flags = 0)
    {
        RpcPeer peer = new(path);
        await peer.CallAsync(Procedures.ConnectOpen, new ConnectOpenArgs("qemu:///system", flags));
        return peer;
    }

    internal async Task SendAsync(ReadOnlyMemory<byte> bytes) => await _stream.WriteAsync(bytes);

    /// <summary>The next packet; null when the daemon has closed the connection.</summary>
    internal async Task<Packet?> ReceiveAsync()
    {
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(60));
        try
        {
            return await _reader.ReadAsync(PacketHeader.LongestPacket, patience.Token);
        }
        catch (System.IO.IOException)
        {
            return null;
        }
    }

    /// <summary>Calls and returns the reply. Throws <see cref="RpcErrorException"/> for one that is an error.</summary>
    internal async Task<TReply> CallAsync<TArgs, TReply>(Procedure<TArgs, TReply> procedure, TArgs arguments)
        where TArgs : struct, IXdr<TArgs>
        where TReply : struct, IXdr<TReply>
    {
        XdrWriter xdr = new();
        arguments.Write(xdr);
        Packet reply = await CallAsync(procedure.Program, procedure.Number, xdr.Written.ToArray());
        XdrReader body = new(reply.Payload.Span);
        return TReply.Read(ref body);
    }

    internal async Task<Packet> CallAsync(uint program, int procedure, byte[] arguments)
    {
        PacketHeader header = new(program, 1, procedure, PacketType.Call, _serial++, PacketStatus.Ok);
        await SendAsync(header.Frame(arguments));
        Packet reply = await ReceiveAsync() ?? throw new InvalidOperationException("The connection was closed.");
        if (reply.Header.Status == PacketStatus.Error)
        {
            XdrReader body = new(reply.Payload.Span);
            throw new RpcErrorException(Error.Read(ref body));
        }
        if (reply.Header != header with { Type = PacketType.Reply }) throw new InvalidOperationException($"{reply.Header} answers {header}.");
        return reply;
    }
}

/// <summary>A reply that was an error.</summary>
internal sealed class RpcErrorException(Error error) : Exception($"{error.Code}/{error.Domain}: {error.Message}")
{
    internal Error Error => error;
}
