using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Threading.Tasks;
using Hutch.Daemon.Libvirt.Protocol;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Daemon.Libvirt.Xdr;
using Hutch.Host.Events;
using Xunit;

namespace Hutch.Tests.Daemon.Libvirt;

/// <summary>Defining, starting and ending domains over the wire, the events of it, and the console's stream.</summary>
public sealed class LifecycleTests : IDisposable
{
    private const string Document = "<domain type='qemu'><name>demo</name><memory unit='MiB'>256</memory><os><type arch='x86_64' machine='q35'>hvm</type><kernel>/k</kernel></os><devices><console type='pty'/></devices></domain>";

    private readonly TestDaemon _daemon = new();

    public void Dispose() => _daemon.Dispose();

    [Fact]
    public async Task An_event_comes_before_the_reply_of_the_call_that_caused_it_and_ends_with_its_registration()
    {
        using RpcPeer peer = await RpcPeer.OpenAsync(_daemon.SocketPath);
        int callback = (await peer.CallAsync(Procedures.ConnectDomainEventCallbackRegisterAny, new ConnectDomainEventCallbackRegisterAnyArgs(0, null))).CallbackID;
        List<(int, int)> told = [];
        Packet defined = await CallAsync(peer, Procedures.DomainDefineXml, new DomainDefineXmlArgs(Document), told, callback);
        Domain domain = DomainOf(defined);
        await CallAsync(peer, Procedures.DomainCreate, new DomainCreateArgs(domain), told, callback);
        await CallAsync(peer, Procedures.DomainSuspend, new DomainSuspendArgs(domain), told, callback);
        await CallAsync(peer, Procedures.DomainResume, new DomainResumeArgs(domain), told, callback);
        await CallAsync(peer, Procedures.DomainDestroy, new DomainDestroyArgs(domain), told, callback);
        // As libvirtd tells of them: defined; resumed and started; suspended; resumed; about to end and stopped.
        Assert.Equal([(0, 0), (4, 0), (2, 0), (3, 0), (4, 0), (6, 2), (5, 1)], told);
        await peer.CallAsync(Procedures.ConnectDomainEventCallbackDeregisterAny, new ConnectDomainEventCallbackDeregisterAnyArgs(callback));
        await peer.CallAsync(Procedures.DomainUndefine, new DomainUndefineArgs(domain));
        RpcErrorException refused = await Assert.ThrowsAsync<RpcErrorException>(() => peer.CallAsync(Procedures.ConnectDomainEventCallbackDeregisterAny, new ConnectDomainEventCallbackDeregisterAnyArgs(callback)));
        Assert.Equal((int)ErrorCode.InvalidArgument, refused.Error.Code);
        Assert.Empty(_daemon.Log);
    }

    [Theory]
    [InlineData("<domain", 27)]
    [InlineData("<domain type='qemu'><name>demo</name><memory>1024</memory><os><type>hvm</type></os><launchSecurity type='sev'/></domain>", 67)]
    public async Task A_document_that_cannot_be_is_refused_by_its_code(string document, int code)
    {
        using RpcPeer peer = await RpcPeer.OpenAsync(_daemon.SocketPath);
        RpcErrorException refused = await Assert.ThrowsAsync<RpcErrorException>(() => peer.CallAsync(Procedures.DomainDefineXml, new DomainDefineXmlArgs(document)));
        Assert.Equal(code, refused.Error.Code);
        Assert.Empty(await _daemon.Domains.ListAsync(default));
    }

    [Fact]
    public async Task A_console_is_a_stream_both_ways_and_has_one_reader()
    {
        using PseudoTerminal terminal = new(Path.Combine(_daemon.Folder, "guest"));
        terminal.StartInput(data =>
        {
            terminal.Write(Encoding.ASCII.GetBytes($"[{Encoding.ASCII.GetString(data)}]"));
            return data.Length;
        });
        _daemon.Starter.Terminal = terminal.Path;
        using RpcPeer peer = await RpcPeer.OpenAsync(_daemon.SocketPath);
        Domain domain = (await peer.CallAsync(Procedures.DomainCreateXml, new DomainCreateXmlArgs(Document, 0))).Dom;
        using RpcPeer reader = await RpcPeer.OpenAsync(_daemon.SocketPath);
        await reader.CallAsync(Procedures.DomainOpenConsole, new DomainOpenConsoleArgs(domain, null, 0));
        // The second call of that connection.
        PacketHeader stream = new(Procedures.DomainOpenConsole.Program, 1, Procedures.DomainOpenConsole.Number, PacketType.Stream, 1, PacketStatus.Continue);
        await reader.SendAsync(stream.Frame("hello"u8));
        StringBuilder seen = new();
        while (seen.Length < "[hello]".Length)
        {
            Packet data = await reader.ReceiveAsync() ?? throw new InvalidOperationException("The connection was closed.");
            Assert.Equal(stream, data.Header);
            seen.Append(Encoding.ASCII.GetString(data.Payload.Span));
        }
        Assert.Equal("[hello]", seen.ToString());
        RpcErrorException busy = await Assert.ThrowsAsync<RpcErrorException>(() => peer.CallAsync(Procedures.DomainOpenConsole, new DomainOpenConsoleArgs(domain, null, 0)));
        Assert.Contains("Active console session exists", busy.Error.Message, StringComparison.Ordinal);
        await reader.SendAsync((stream with { Status = PacketStatus.Ok }).Frame([]));
        Assert.Equal(stream with { Status = PacketStatus.Ok }, (await reader.ReceiveAsync())!.Value.Header);
        await peer.CallAsync(Procedures.DomainOpenConsole, new DomainOpenConsoleArgs(domain, null, 0));
    }

    private static Domain DomainOf(Packet defined)
    {
        XdrReader body = new(defined.Payload.Span);
        return DomainDefineXmlReply.Read(ref body).Dom;
    }

    private static async Task<Packet> CallAsync<TArgs, TReply>(RpcPeer peer, Procedure<TArgs, TReply> procedure, TArgs arguments, List<(int, int)> told, int callback)
        where TArgs : struct, IXdr<TArgs>
        where TReply : struct, IXdr<TReply>
    {
        XdrWriter xdr = new();
        arguments.Write(xdr);
        await peer.SendAsync(new PacketHeader(procedure.Program, 1, procedure.Number, PacketType.Call, 1000, PacketStatus.Ok).Frame(xdr.Written.ToArray()));
        while (true)
        {
            Packet packet = await peer.ReceiveAsync() ?? throw new InvalidOperationException("The connection was closed.");
            if (packet.Header.Type == PacketType.Reply)
            {
                Assert.Equal(PacketStatus.Ok, packet.Header.Status);
                return packet;
            }
            told.Add(EventOf(packet, callback));
        }
    }

    private static (int, int) EventOf(Packet packet, int callback)
    {
        Assert.Equal(Hutch.Daemon.Libvirt.Protocol.Events.DomainEventCallbackLifecycle.Number, packet.Header.Procedure);
        XdrReader body = new(packet.Payload.Span);
        DomainEventCallbackLifecycleBody told = DomainEventCallbackLifecycleBody.Read(ref body);
        Assert.Equal(callback, told.CallbackID);
        return (told.Msg.Event, told.Msg.Detail);
    }
}
