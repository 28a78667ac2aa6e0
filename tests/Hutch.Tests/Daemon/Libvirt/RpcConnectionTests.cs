using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Daemon.Libvirt.Protocol;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Daemon.Libvirt.Xdr;
using Hutch.Tests.Management;
using Xunit;

namespace Hutch.Tests.Daemon.Libvirt;

/// <summary>Packets of the libvirt RPC protocol, good ones and bad.</summary>
public sealed class RpcConnectionTests : IDisposable
{
    private const uint Remote = 0x20008086;
    private const int RpcError = 39, InternalError = 1, NoConnect = 5, Denied = 29, NoDomain = 42, OperationFailed = 9;

    private readonly TestDaemon _daemon = new();

    public void Dispose() => _daemon.Dispose();

    // What stock libvirt 9.0 sends first, and what its daemon answers.
    [Fact]
    public async Task The_first_question_of_a_client_is_answered_as_libvirtd_does()
    {
        using RpcPeer peer = new(_daemon.SocketPath);
        await peer.SendAsync(Convert.FromHexString("0000001c2000808600000001000000420000000000000000" + "00000000"));
        Packet reply = (await peer.ReceiveAsync())!.Value;
        Assert.Equal("0000000100000000", Convert.ToHexString(reply.Payload.Span));
        Assert.Equal(new PacketHeader(Remote, 1, 66, PacketType.Reply, 0, PacketStatus.Ok), reply.Header);
    }

    [Fact]
    public async Task A_list_of_domains_is_as_libvirtd_writes_it()
    {
        using FakeMachine web = new(_daemon.Machines, "kvm1");
        using RpcPeer peer = await RpcPeer.OpenAsync(_daemon.SocketPath);
        byte[] reply = (await peer.CallAsync(Remote, 273, [0, 0, 0, 1, 0, 0, 0, 3])).Payload.ToArray();
        Assert.Equal("00000001" + "00000004" + "6B766D31", Convert.ToHexString(reply, 0, 12));
        Assert.Equal(Environment.ProcessId, BinaryPrimitives.ReadInt32BigEndian(reply.AsSpan(28)));
        Assert.Equal("00000001", Convert.ToHexString(reply, 32, 4));
        Assert.Equal(36, reply.Length);
    }

    [Fact]
    public async Task Nothing_but_the_prologue_is_answered_before_a_connection_is_open()
    {
        using RpcPeer peer = new(_daemon.SocketPath);
        Assert.Equal(1, (await peer.CallAsync(Procedures.ConnectSupportsFeature, new ConnectSupportsFeatureArgs(10))).Supported);
        foreach (ProcedureTable.Handler handler in _daemon.Procedures.Handlers.Where(handler => handler.Access >= Access.Read))
            Assert.Equal((InternalError, "internal error: hypervisor connection not open"), await ErrorAsync(peer, handler.Number, []));
        Assert.Equal(NoConnect, (await ErrorAsync(peer, Procedures.ConnectOpen, new ConnectOpenArgs("xen:///system", 0))).Code);
        await peer.CallAsync(Procedures.ConnectOpen, new ConnectOpenArgs(null, 0));
        Assert.Equal("qemu:///system", (await peer.CallAsync(Procedures.ConnectGetUri, default)).Uri);
        Assert.Equal(InternalError, (await ErrorAsync(peer, Procedures.ConnectOpen, new ConnectOpenArgs("", 0))).Code);
    }

    [Theory]
    [InlineData("", 1u)]
    [InlineData("-ro", 0u)]
    public async Task Who_may_only_look_changes_nothing(string socket, uint flags)
    {
        using FakeMachine web = new(_daemon.Machines, "web");
        using RpcPeer peer = await RpcPeer.OpenAsync(_daemon.SocketPath + socket, flags);
        List<ProcedureTable.Handler> writes = [.. _daemon.Procedures.Handlers.Where(handler => handler.Access == Access.Write)];
        Assert.NotEmpty(writes);
        foreach (ProcedureTable.Handler handler in writes) Assert.Equal(Denied, (await ErrorAsync(peer, handler.Number, [])).Code);
        Domain domain = (await peer.CallAsync(Procedures.DomainLookupByName, new DomainLookupByNameArgs("web"))).Dom;
        Assert.Equal("web", domain.Name);
        Assert.Empty(web.Asked);
    }

    [Fact]
    public async Task What_is_not_known_is_refused_in_words_that_clients_look_for()
    {
        using RpcPeer peer = await RpcPeer.OpenAsync(_daemon.SocketPath);
        Assert.Equal((RpcError, "unknown procedure: 9999"), await ErrorAsync(peer, 9999, []));
        Assert.Equal(RpcError, (await Assert.ThrowsAsync<RpcErrorException>(() => peer.CallAsync(0x20008088, 1, []))).Error.Code);
        Assert.Equal((NoDomain, "Domain not found: no domain with matching name 'x'"), await ErrorAsync(peer, Procedures.DomainLookupByName, new DomainLookupByNameArgs("x")));
        // Arguments that are cut short, or whose string is longer than the packet.
        Assert.Equal(RpcError, (await ErrorAsync(peer, 23, [])).Code);
        Assert.Equal(RpcError, (await ErrorAsync(peer, 23, [0, 1, 0, 0])).Code);
        Assert.Equal(RpcError, (await ErrorAsync(peer, 23, [0xff, 0xff, 0xff, 0xff])).Code);
        // After all that it still answers.
        Assert.Equal("QEMU", (await peer.CallAsync(Procedures.ConnectGetType, default)).Type);
    }

    [Fact]
    public async Task A_machine_that_refuses_is_an_error_with_its_sentence()
    {
        using FakeMachine web = new(_daemon.Machines, "web") { Refusal = "The machine is being saved." };
        using RpcPeer peer = await RpcPeer.OpenAsync(_daemon.SocketPath);
        Domain domain = (await peer.CallAsync(Procedures.DomainLookupByName, new DomainLookupByNameArgs("web"))).Dom;
        Assert.Equal((OperationFailed, "operation failed: The machine is being saved."), await ErrorAsync(peer, Procedures.DomainSuspend, new DomainSuspendArgs(domain)));
    }

    [Fact]
    public async Task Calls_that_come_at_once_are_all_answered()
    {
        using RpcPeer peer = await RpcPeer.OpenAsync(_daemon.SocketPath);
        const int Calls = 200;
        List<byte> burst = [];
        for (uint serial = 0; serial < Calls; serial++) burst.AddRange(new PacketHeader(Remote, 1, 3, PacketType.Call, serial, PacketStatus.Ok).Frame([]));
        await peer.SendAsync(burst.ToArray());
        HashSet<uint> answered = [];
        for (int i = 0; i < Calls; i++) answered.Add((await peer.ReceiveAsync())!.Value.Header.Serial);
        Assert.Equal(Calls, answered.Count);
    }

    [Fact]
    public async Task A_packet_in_pieces_and_what_is_longer_than_it_need_be_are_understood()
    {
        using RpcPeer peer = await RpcPeer.OpenAsync(_daemon.SocketPath);
        byte[] packet = new PacketHeader(Remote, 1, 3, PacketType.Call, 7, PacketStatus.Ok).Frame(new byte[600_000]);
        foreach (byte[] piece in new[] { packet[..3], packet[3..30], packet[30..] }) await peer.SendAsync(piece);
        Assert.Equal(7u, (await peer.ReceiveAsync())!.Value.Header.Serial);
    }

    [Fact]
    public async Task Pings_are_answered_and_file_descriptors_are_refused()
    {
        using RpcPeer peer = await RpcPeer.OpenAsync(_daemon.SocketPath);
        await peer.SendAsync(KeepAlive.PingPacket);
        Assert.Equal(KeepAlive.Pong, (await peer.ReceiveAsync())!.Value.Header.Procedure);
        await peer.SendAsync((byte[])[.. new PacketHeader(Remote, 1, 310, PacketType.CallWithFds, 1, PacketStatus.Ok).Frame([0, 0, 0, 2]), 0, 0]);
        Assert.Equal(PacketStatus.Error, (await peer.ReceiveAsync())!.Value.Header.Status);
        Assert.Equal("QEMU", (await peer.CallAsync(Procedures.ConnectGetType, default)).Type);
    }

    public static TheoryData<string> BadPackets => new()
    {
        { "00000000" },
        { "0000001b200080860000000100000042000000000000000000" },
        { "ffffffff" },
        // Longer than a packet before CONNECT_OPEN may be.
        { "00020000" },
        // A reply, which only the daemon sends; and descriptors beyond the most.
        { "0000001c200080860000000100000042000000010000000000000000" },
        { "00000020200080860000000100000042000000040000000000000000" + "00000021" },
    };

    [Theory]
    [MemberData(nameof(BadPackets))]
    public async Task Who_does_not_speak_the_protocol_loses_the_connection_and_others_do_not(string bytes)
    {
        using RpcPeer bad = new(_daemon.SocketPath), good = await RpcPeer.OpenAsync(_daemon.SocketPath);
        await bad.SendAsync(Convert.FromHexString(bytes));
        Assert.Null(await bad.ReceiveAsync());
        Assert.Equal("QEMU", (await good.CallAsync(Procedures.ConnectGetType, default)).Type);
        Assert.Contains("its connection is closed", Assert.Single(_daemon.Log), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whoever_says_that_it_closes_is_answered_and_let_go()
    {
        using RpcPeer peer = await RpcPeer.OpenAsync(_daemon.SocketPath);
        await peer.CallAsync(Procedures.ConnectClose, default);
        Assert.Null(await peer.ReceiveAsync());
    }

    private static async Task<(int Code, string? Message)> ErrorAsync(RpcPeer peer, int procedure, byte[] arguments)
    {
        Error error = (await Assert.ThrowsAsync<RpcErrorException>(() => peer.CallAsync(Remote, procedure, arguments))).Error;
        return (error.Code, error.Message);
    }

    private static async Task<(int Code, string? Message)> ErrorAsync<TArgs, TReply>(RpcPeer peer, Procedure<TArgs, TReply> procedure, TArgs arguments)
        where TArgs : struct, IXdr<TArgs>
        where TReply : struct, IXdr<TReply>
    {
        Error error = (await Assert.ThrowsAsync<RpcErrorException>(() => peer.CallAsync(procedure, arguments))).Error;
        return (error.Code, error.Message);
    }
}
