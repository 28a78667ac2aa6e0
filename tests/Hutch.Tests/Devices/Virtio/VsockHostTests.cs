using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using Hutch.Devices.Virtio.Vsock;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>Virtio 1.2 §5.10 without queues and without sockets: the test is the guest and the programs of the host.</summary>
public sealed class VsockHostTests : IDisposable
{
    private const ulong Guest = 3;
    private const uint Port = 52, GuestPort = 1000, GuestRoom = 1 << 20;

    private readonly FakeStreams _streams = new();
    private readonly VsockHost _host;
    private readonly List<FakeStream> _made = [];
    private readonly byte[] _buffer = new byte[VsockPacket.Bytes + 4096];

    public VsockHostTests()
    {
        _streams.Answering["/v_52"] = _made;
        _host = new VsockHost(Guest, "/v", _streams);
    }

    [Fact]
    public void A_header_is_read_as_it_was_written()
    {
        byte[] bytes = [.. Enumerable.Range(1, VsockPacket.Bytes).Select(static i => (byte)i)];
        byte[] again = new byte[VsockPacket.Bytes];
        VsockPacket packet = VsockPacket.Read(bytes);
        packet.Write(again);
        Assert.Equal(bytes, again);
        Assert.Equal((0x0807060504030201UL, 0x14131211u, (VsockOperation)0x201f), (packet.SourceCid, packet.SourcePort, packet.Operation));
    }

    [Fact]
    public void The_guest_connects_to_the_socket_of_its_port()
    {
        FakeStream stream = FromGuest();
        Give(VsockOperation.ReadWrite, "to the host");
        Assert.Equal("to the host", Text(stream.Heard));
        stream.Say("to the guest"u8);
        (VsockPacket packet, string data) = Get();
        Assert.Equal((VsockOperation.ReadWrite, "to the guest", 11u), (packet.Operation, data, packet.TakenBytes));
        Assert.Equal((2UL, Guest, Port, GuestPort), (packet.SourceCid, packet.TargetCid, packet.SourcePort, packet.TargetPort));
        Assert.Null(TryGet());
    }

    [Fact]
    public void Nobody_listens()
    {
        _host.Take(Packet(VsockOperation.Request) with { TargetPort = 53 }, []);
        VsockPacket answer = Get().Packet;
        Assert.Equal((VsockOperation.Reset, 2UL, 53u, Guest, GuestPort), (answer.Operation, answer.SourceCid, answer.SourcePort, answer.TargetCid, answer.TargetPort));
        Assert.Equal(0, _host.ConnectionCount);
    }

    [Fact]
    public void The_host_connects_by_a_line()
    {
        FakeStream stream = _streams.At("/v").Connect();
        stream.Say("CONN"u8);
        _host.Move();
        Assert.Null(TryGet());
        stream.Say("ECT 1000\nhello"u8);
        _host.Move();
        VsockPacket request = Get().Packet;
        Assert.Equal((VsockOperation.Request, GuestPort, 1u << 30), (request.Operation, request.TargetPort, request.SourcePort));
        Assert.Equal(0u + VsockConnection.RoomBytes, request.RoomBytes);
        // Not before the guest has said that it is there.
        Assert.Null(TryGet());
        Assert.Empty(stream.Heard);
        _host.Take(Packet(VsockOperation.Response) with { TargetPort = request.SourcePort }, []);
        Assert.Equal("OK 1073741824\n", Text(stream.Heard));
        Assert.Equal("hello", Get().Data);
    }

    [Fact]
    public void A_guest_that_refuses_ends_the_stream_without_a_word()
    {
        FakeStream stream = FromHost(out uint hostPort);
        _host.Take(Packet(VsockOperation.Reset) with { TargetPort = hostPort }, []);
        Assert.True(stream.IsDisposed);
        Assert.Empty(stream.Heard);
        Assert.Null(TryGet());
    }

    [Theory]
    [InlineData("HELLO 52\n")]
    [InlineData("CONNECT\n")]
    [InlineData("CONNECT -1\n")]
    [InlineData("CONNECT 4294967296\n")]
    [InlineData("CONNECT 00000000000000000000000000000000000052\n")]
    [InlineData("\n")]
    public void A_line_that_makes_no_sense_ends_the_stream(string line)
    {
        FakeStream stream = _streams.At("/v").Connect();
        stream.Say(Encoding.ASCII.GetBytes(line));
        _host.Move();
        Assert.True(stream.IsDisposed);
        Assert.Null(TryGet());
    }

    [Fact]
    public void Peers_that_say_nothing_make_room_for_others()
    {
        FakeStream[] silent = [.. Enumerable.Range(0, VsockHost.MostGreeters).Select(_ => _streams.At("/v").Connect())];
        _host.Move();
        FakeStream last = _streams.At("/v").Connect();
        last.Say("connect 52\n"u8);
        _host.Move();
        Assert.Equal(VsockOperation.Request, Get().Packet.Operation);
        Assert.Equal(1, silent.Count(static one => one.IsDisposed));
        FakeStream gone = _streams.At("/v").Connect();
        gone.Leave();
        _host.Move();
        Assert.True(gone.IsDisposed);
    }

    [Fact]
    public void What_the_stream_has_no_room_for_waits_and_the_guest_learns_when_there_is_room()
    {
        FakeStream stream = FromGuest();
        stream.Room = 1000;
        byte[] sent = new byte[VsockConnection.RoomBytes];
        new Random(1).NextBytes(sent);
        for (int at = 0; at < sent.Length; at += 4096) _host.Take(Packet(VsockOperation.ReadWrite) with { Length = 4096 }, sent.AsSpan(at, 4096));
        // 1000 bytes are through, which is no reason to wake anybody.
        Assert.Equal(1000, stream.Heard.Length);
        Assert.Null(TryGet());
        _host.Take(Packet(VsockOperation.CreditRequest), []);
        VsockPacket update = Get().Packet;
        Assert.Equal((VsockOperation.CreditUpdate, 1000u), (update.Operation, update.TakenBytes));
        stream.Room = 40_000;
        _host.Move();
        Assert.Equal(41_000u, Get().Packet.TakenBytes);
        stream.Room = int.MaxValue;
        // Around the end of what holds them.
        Give(VsockOperation.ReadWrite, "and more");
        _host.Move();
        Assert.Equal([.. sent, .. "and more"u8], stream.Heard);
    }

    [Fact]
    public void More_than_there_is_room_for_ends_the_connection()
    {
        FakeStream stream = FromGuest();
        stream.Room = 0;
        _host.Take(Packet(VsockOperation.ReadWrite) with { Length = VsockConnection.RoomBytes }, new byte[VsockConnection.RoomBytes]);
        Assert.Null(TryGet());
        Give(VsockOperation.ReadWrite, "x");
        Assert.Equal(VsockOperation.Reset, Get().Packet.Operation);
        Assert.True(stream.IsDisposed);
    }

    [Fact]
    public void The_guest_gets_no_more_than_it_has_room_for()
    {
        FakeStream stream = FromGuest(roomBytes: 10);
        stream.Say("0123456789abcdef"u8);
        Assert.Equal("0123456789", Get().Data);
        Assert.Equal(VsockOperation.CreditRequest, Get().Packet.Operation);
        // It is asked once.
        Assert.Null(TryGet());
        _host.Take(Packet(VsockOperation.CreditUpdate) with { RoomBytes = 10, TakenBytes = 4 }, []);
        Assert.Equal("abcd", Get().Data);
        Assert.Equal(VsockOperation.CreditRequest, Get().Packet.Operation);
        // It says that it has taken more than it got.
        _host.Take(Packet(VsockOperation.CreditUpdate) with { RoomBytes = 10, TakenBytes = 1000 }, []);
        Assert.Null(TryGet());
        _host.Take(Packet(VsockOperation.CreditUpdate) with { RoomBytes = uint.MaxValue, TakenBytes = 14 }, []);
        Assert.Equal("ef", Get().Data);
    }

    [Fact]
    public void The_host_stops_sending_and_the_guest_ends_it()
    {
        FakeStream stream = FromGuest();
        stream.Say("last"u8);
        stream.SayNoMore();
        Assert.Equal("last", Get().Data);
        VsockPacket shutdown = Get().Packet;
        Assert.Equal((VsockOperation.Shutdown, VsockPacket.NoMoreSent), (shutdown.Operation, shutdown.Flags));
        Give(VsockOperation.ReadWrite, "still heard");
        Assert.Equal("still heard", Text(stream.Heard));
        _host.Take(Packet(VsockOperation.Shutdown) with { Flags = VsockPacket.NoMore }, []);
        Assert.Equal(VsockOperation.Reset, Get().Packet.Operation);
        Assert.True(stream.IsDisposed);
        Assert.Equal(0, _host.ConnectionCount);
    }

    [Fact]
    public void The_guest_stops_sending_and_its_last_bytes_come_first()
    {
        FakeStream stream = FromGuest();
        stream.Room = 2;
        Give(VsockOperation.ReadWrite, "last");
        _host.Take(Packet(VsockOperation.Shutdown) with { Flags = VsockPacket.NoMoreSent }, []);
        _host.Move();
        Assert.False(stream.IsEnded);
        stream.Room = 10;
        _host.Move();
        Assert.Equal("last", Text(stream.Heard));
        Assert.True(stream.IsEnded);
        stream.Say("answer"u8);
        Assert.Equal("answer", Get().Data);
        // It sends all the same.
        Give(VsockOperation.ReadWrite, "x");
        Assert.Equal(VsockOperation.Reset, Get().Packet.Operation);
    }

    [Fact]
    public void A_guest_that_ends_both_ways_waits_for_its_bytes_to_arrive()
    {
        FakeStream stream = FromGuest();
        stream.Room = 0;
        Give(VsockOperation.ReadWrite, "last");
        _host.Take(Packet(VsockOperation.Shutdown) with { Flags = VsockPacket.NoMore }, []);
        stream.Say("not wanted"u8);
        Assert.Null(TryGet());
        stream.Room = 10;
        _host.Move();
        Assert.Equal("last", Text(stream.Heard));
        Assert.Equal(VsockOperation.Reset, Get().Packet.Operation);
        Assert.True(stream.IsDisposed);
    }

    [Fact]
    public void A_peer_that_is_gone_is_told_of_and_what_is_sent_to_it_is_lost()
    {
        FakeStream stream = FromGuest();
        stream.Leave();
        Give(VsockOperation.ReadWrite, "to nobody");
        VsockPacket shutdown = Get().Packet;
        Assert.Equal((VsockOperation.Shutdown, VsockPacket.NoMore), (shutdown.Operation, shutdown.Flags));
        Assert.True(stream.IsDisposed);
        Give(VsockOperation.ReadWrite, "again");
        Assert.Null(TryGet());
        _host.Take(Packet(VsockOperation.Reset), []);
        Assert.Equal(0, _host.ConnectionCount);
    }

    [Fact]
    public void A_peer_that_stopped_sending_first_is_seen_to_go()
    {
        FakeStream stream = FromGuest();
        stream.SayNoMore();
        Assert.Equal(VsockPacket.NoMoreSent, Get().Packet.Flags);
        stream.Leave();
        _host.Move();
        Assert.Equal(VsockPacket.NoMore, Get().Packet.Flags);
        Assert.Null(TryGet());
    }

    [Theory]
    [InlineData((int)VsockOperation.Response)]
    [InlineData((int)VsockOperation.Shutdown)]
    [InlineData((int)VsockOperation.ReadWrite)]
    [InlineData((int)VsockOperation.CreditUpdate)]
    [InlineData((int)VsockOperation.CreditRequest)]
    [InlineData((int)VsockOperation.Invalid)]
    [InlineData(77)]
    public void Packets_of_no_connection_are_reset(int operation)
    {
        _host.Take(Packet((VsockOperation)operation), []);
        Assert.Equal(VsockOperation.Reset, Get().Packet.Operation);
        Assert.Null(TryGet());
    }

    [Theory]
    [InlineData((int)VsockOperation.Request)]
    [InlineData((int)VsockOperation.Response)]
    [InlineData((int)VsockOperation.Invalid)]
    [InlineData(77)]
    public void Packets_that_a_connection_cannot_have_end_it(int operation)
    {
        FakeStream stream = FromGuest();
        _host.Take(Packet((VsockOperation)operation), []);
        Assert.Equal(VsockOperation.Reset, Get().Packet.Operation);
        Assert.True(stream.IsDisposed);
    }

    [Theory]
    [InlineData((int)VsockOperation.ReadWrite)]
    [InlineData((int)VsockOperation.Shutdown)]
    [InlineData((int)VsockOperation.CreditRequest)]
    public void A_guest_that_was_asked_answers_first(int operation)
    {
        FakeStream stream = FromHost(out uint hostPort);
        _host.Take(Packet((VsockOperation)operation) with { TargetPort = hostPort }, []);
        Assert.Equal(VsockOperation.Reset, Get().Packet.Operation);
        Assert.True(stream.IsDisposed);
    }

    [Fact]
    public void Other_addresses_and_types_are_refused_and_resets_never_answered()
    {
        _host.Take(Packet(VsockOperation.Request) with { SourceCid = 4 }, []);
        _host.Take(Packet(VsockOperation.Reset), []);
        _host.Take(Packet(VsockOperation.Reset) with { TargetCid = 9, Type = 5 }, []);
        Assert.Null(TryGet());
        _host.Take(Packet(VsockOperation.Request) with { TargetCid = 9 }, []);
        VsockPacket answer = Get().Packet;
        Assert.Equal((VsockOperation.Reset, 9UL), (answer.Operation, answer.SourceCid));
        _host.Take(Packet(VsockOperation.Request) with { Type = 2 }, []);
        Assert.Equal(2, Get().Packet.Type);
        Assert.Empty(_made);
    }

    [Fact]
    public void There_are_so_many_connections_and_no_more()
    {
        for (uint port = 0; port < VsockHost.MostConnections; port++) _host.Take(Packet(VsockOperation.Request) with { SourcePort = port }, []);
        Assert.Equal(VsockHost.MostConnections, _host.ConnectionCount);
        for (int i = 0; i < VsockHost.MostConnections; i++) Assert.Equal(VsockOperation.Response, Get().Packet.Operation);
        _host.Take(Packet(VsockOperation.Request) with { SourcePort = 9999 }, []);
        VsockPacket refusal = Get().Packet;
        Assert.Equal((VsockOperation.Reset, 9999u), (refusal.Operation, refusal.TargetPort));
        FakeStream refused = _streams.At("/v").Connect();
        refused.Say("CONNECT 1\n"u8);
        _host.Move();
        Assert.True(refused.IsDisposed);
        // One whose peer is gone makes room.
        _made[7].Leave();
        Assert.Equal(VsockOperation.Shutdown, Get().Packet.Operation);
        _host.Take(Packet(VsockOperation.Request) with { SourcePort = 9999 }, []);
        VsockPacket reset = Get().Packet;
        Assert.Equal((VsockOperation.Reset, 7u), (reset.Operation, reset.TargetPort));
        Assert.Equal(VsockOperation.Response, Get().Packet.Operation);
    }

    [Fact]
    public void Answers_that_the_guest_does_not_take_stop_its_questions()
    {
        int taken = 0;
        for (; _host.MayTake; taken++) _host.Take(Packet(VsockOperation.ReadWrite) with { SourcePort = (uint)taken }, []);
        Assert.InRange(taken, 10, 1000);
        _ = Get();
        Assert.True(_host.MayTake);
    }

    [Fact]
    public void Connections_have_their_turns()
    {
        FakeStream first = FromGuest();
        _host.Take(Packet(VsockOperation.Request) with { SourcePort = 2000 }, []);
        _ = Get();
        first.Say(new byte[100_000]);
        _made[1].Say(new byte[100_000]);
        Assert.Equal([1000u, 1000u, 2000u, 2000u], Enumerable.Range(0, 4).Select(_ => Get().Packet.TargetPort).Order());
    }

    [Fact]
    public void Clearing_ends_all_and_says_nothing()
    {
        FakeStream stream = FromGuest();
        Give(VsockOperation.Invalid, "");
        _host.Clear();
        Assert.True(stream.IsDisposed);
        Assert.Null(TryGet());
        _ = FromGuest();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_guest_that_says_anything_breaks_nothing(int seed)
    {
        Random random = new(seed);
        byte[] data = new byte[VsockConnection.RoomBytes];
        for (int step = 0; step < 20_000; step++)
        {
            int length = random.Next(8) == 0 ? random.Next(data.Length + 1) : random.Next(100);
            VsockPacket packet = Packet((VsockOperation)random.Next(9)) with
            {
                SourcePort = (uint)random.Next(600), TargetPort = random.Next(3) == 0 ? (1U << 30) + (uint)random.Next(8) : Port, Flags = (uint)random.Next(8), Length = (uint)length,
                RoomBytes = random.Next(4) == 0 ? (uint)random.NextInt64() : 4096, TakenBytes = random.Next(4) == 0 ? (uint)random.NextInt64() : 0,
            };
            if (_host.MayTake) _host.Take(packet, data.AsSpan(0, length));
            if (random.Next(16) == 0)
            {
                FakeStream stream = _streams.At("/v").Connect();
                stream.Say(Encoding.ASCII.GetBytes($"CONNECT {random.Next(600)}\n"));
                if (random.Next(2) == 0) stream.Leave();
            }
            if (_made.Count != 0)
            {
                FakeStream stream = _made[random.Next(_made.Count)];
                if (random.Next(8) == 0) stream.Leave();
                else if (random.Next(8) == 0) stream.Room = random.Next(100_000);
                else stream.Say(data.AsSpan(0, random.Next(10)));
                if (_made.Count > 2000) _made.RemoveRange(0, 1000);
            }
            _host.Move();
            for (int said = random.Next(4); said > 0; said--) _ = _host.Next(_buffer.AsSpan(0, random.Next(VsockPacket.Bytes + 1, _buffer.Length)));
            Assert.InRange(_host.ConnectionCount, 0, VsockHost.MostConnections);
        }
    }

    public void Dispose() => _host.Dispose();

    private static VsockPacket Packet(VsockOperation operation) => new()
    {
        SourceCid = Guest, TargetCid = 2, SourcePort = GuestPort, TargetPort = Port, Type = 1, Operation = operation, RoomBytes = GuestRoom,
    };

    private static string Text(byte[] bytes) => Encoding.ASCII.GetString(bytes);

    private FakeStream FromGuest(uint roomBytes = GuestRoom)
    {
        _host.Take(Packet(VsockOperation.Request) with { RoomBytes = roomBytes }, []);
        Assert.Equal(VsockOperation.Response, Get().Packet.Operation);
        return _made[^1];
    }

    private FakeStream FromHost(out uint hostPort)
    {
        FakeStream stream = _streams.At("/v").Connect();
        stream.Say("CONNECT 1000\n"u8);
        _host.Move();
        hostPort = Get().Packet.SourcePort;
        return stream;
    }

    private void Give(VsockOperation operation, string data) => _host.Take(Packet(operation) with { Length = (uint)data.Length }, Encoding.ASCII.GetBytes(data));

    private (VsockPacket Packet, string Data) Get() => TryGet() ?? throw new InvalidOperationException("There is no packet for the guest.");

    private (VsockPacket Packet, string Data)? TryGet()
    {
        int length = _host.Next(_buffer);
        if (length == 0) return null;
        VsockPacket packet = VsockPacket.Read(_buffer);
        Assert.Equal(length, VsockPacket.Bytes + (int)packet.Length);
        return (packet, Encoding.ASCII.GetString(_buffer, VsockPacket.Bytes, (int)packet.Length));
    }
}
