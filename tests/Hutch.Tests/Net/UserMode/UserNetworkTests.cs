using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using Hutch.Host.Events;
using Hutch.Host.Files;
using Hutch.Host.Networks;
using Hutch.Host.Time;
using Hutch.Model.Machine;
using Hutch.Net;
using Hutch.Net.Packets;
using Xunit;

namespace Hutch.Tests.Net.UserMode;

/// <summary>A test of the host's libslirp.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SlirpFactAttribute : FactAttribute
{
    public SlirpFactAttribute()
    {
        if (!SlirpLibrary.IsInstalled) Skip = "The host has no libslirp.";
    }
}

public sealed class UserNetworkTests : IDisposable
{
    private static readonly byte[] Guest = [0x52, 0x54, 0, 1, 2, 3];

    private readonly RecordingBuffers _buffers = new();
    private readonly EventFd _wake = EventFd.Create("test");
    private readonly NativeBuffer _memory = new(65536);
    private readonly List<string> _said = [];
    private INetBackend? _network;
    private INetQueue? _queue;

    public void Dispose()
    {
        _network?.Dispose();
        _wake.Dispose();
        _memory.Dispose();
    }

    private void Open(NetBackendConfig config)
    {
        _network = NetBackends.Open(config, 0, 1, new MonotonicClock(), _said.Add);
        _queue = _network.OpenQueue(0, _buffers);
        _network.Configure(NetOffloads.None, 1);
    }

    private void Send(byte[] frame, PacketOffload offload = default)
    {
        frame.CopyTo(_memory.Span);
        // In two pieces, as a guest may have them.
        Assert.True(_queue!.Transmit(offload, [_memory.Segment(0, 20), _memory.Segment(20, frame.Length - 20)]));
    }

    /// <summary>Lets the network work until a frame is there that is wanted.</summary>
    private byte[] Await(Func<byte[], bool> wanted)
    {
        for (int round = 0; round < 200; round++)
        {
            if (_buffers.Frames.FirstOrDefault(wanted) is { } frame) return frame;
            _queue!.Wait(_wake, NetWait.Receive, 100);
            _queue.Receive(64);
        }
        throw new TimeoutException("The network never sent it.");
    }

    private static byte[] Ethernet(byte[] target, ushort type, byte[] content)
    {
        byte[] frame = [.. target, .. Guest, (byte)(type >> 8), (byte)type, .. content];
        return frame.Length < 60 ? [.. frame, .. new byte[60 - frame.Length]] : frame;
    }

    private static byte[] Ip4(byte protocol, byte[] from, byte[] to, byte[] content)
    {
        byte[] packet = [0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0, .. from, .. to, .. content];
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(packet.AsSpan(10), InternetChecksum.Of(packet.AsSpan(0, 20)));
        return packet;
    }

    // RFC 2131: a request with the message type DISCOVER and nothing else.
    private static byte[] Discover()
    {
        byte[] bootp = new byte[300];
        (bootp[0], bootp[1], bootp[2]) = (1, 1, 6);
        Guest.CopyTo(bootp, 28);
        byte[] options = [99, 130, 83, 99, 53, 1, 1, 255];
        options.CopyTo(bootp, 236);
        byte[] udp = [0, 68, 0, 67, 0, 0, 0, 0, .. bootp];
        BinaryPrimitives.WriteUInt16BigEndian(udp.AsSpan(4), (ushort)udp.Length);
        return udp;
    }

    private static bool IsOffer(byte[] frame) => frame.Length > 290 && frame[23] == 17 && frame[36] == 0 && frame[37] == 68;

    [SlirpFact]
    public void A_guest_that_asks_for_an_address_gets_the_first()
    {
        Open(new NetBackendConfig(NetBackendKind.User));
        Send(Ethernet([255, 255, 255, 255, 255, 255], 0x0800, Ip4(17, [0, 0, 0, 0], [255, 255, 255, 255], Discover())));
        byte[] offer = Await(IsOffer);
        Assert.Equal((byte[])[10, 0, 2, 15], offer.AsSpan(14 + 20 + 8 + 16, 4).ToArray());
    }

    [SlirpFact]
    public void Another_network_gives_other_addresses()
    {
        Open(new NetBackendConfig(NetBackendKind.User) { Network = "192.168.77.0/24", DhcpStart = "192.168.77.40" });
        Assert.Equal("the user network 192.168.77.0/24", _network!.Description);
        Send(Ethernet([255, 255, 255, 255, 255, 255], 0x0800, Ip4(17, [0, 0, 0, 0], [255, 255, 255, 255], Discover())));
        Assert.Equal((byte[])[192, 168, 77, 40], Await(IsOffer).AsSpan(14 + 20 + 8 + 16, 4).ToArray());
    }

    [SlirpFact]
    public void A_checksum_that_the_guest_left_open_is_completed()
    {
        Open(new NetBackendConfig(NetBackendKind.User));
        byte[] udp = Discover(), pseudo = [0, 0, 0, 0, 255, 255, 255, 255, 0, 17, (byte)(udp.Length >> 8), (byte)udp.Length];
        BinaryPrimitives.WriteUInt16LittleEndian(udp.AsSpan(6), (ushort)~InternetChecksum.Of(pseudo));
        byte[] frame = Ethernet([255, 255, 255, 255, 255, 255], 0x0800, Ip4(17, [0, 0, 0, 0], [255, 255, 255, 255], udp));
        Send(frame, new PacketOffload(PacketOffload.NeedsChecksum, 0, 0, 0, 34, 6));
        _ = Await(IsOffer);
    }

    [SlirpFact]
    public void A_forwarded_port_leads_to_the_guest()
    {
        Open(new NetBackendConfig(NetBackendKind.User) { Forwards = [new PortForward(false, "127.0.0.1", 0, "0.0.0.0", 2222)] });
        string said = Assert.Single(_said);
        Assert.StartsWith("TCP port ", said, StringComparison.Ordinal);
        Assert.EndsWith(" of 127.0.0.1 leads to port 2222 of the guest.", said, StringComparison.Ordinal);
        int port = int.Parse(said.Split(' ')[2], System.Globalization.CultureInfo.InvariantCulture);
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Connect(IPAddress.Loopback, port);
        byte[] question = Await(static frame => frame[12] == 8 && frame[13] == 6 && frame[21] == 1);
        Assert.Equal((byte[])[10, 0, 2, 15], question.AsSpan(38, 4).ToArray());
        byte[] host = question[6..12];
        Send(Ethernet(host, 0x0806, [0, 1, 8, 0, 6, 4, 0, 2, .. Guest, 10, 0, 2, 15, .. host, 10, 0, 2, 2]));
        byte[] segment = Await(static frame => frame.Length >= 54 && frame[23] == 6);
        Assert.Equal(2222, BinaryPrimitives.ReadUInt16BigEndian(segment.AsSpan(36)));
        Assert.Equal(2, segment[47] & 0x3f);
    }

    [SlirpFact]
    public void Frames_wait_for_a_guest_without_buffers()
    {
        Open(new NetBackendConfig(NetBackendKind.User));
        _buffers.IsFull = true;
        Send(Ethernet([255, 255, 255, 255, 255, 255], 0x0800, Ip4(17, [0, 0, 0, 0], [255, 255, 255, 255], Discover())));
        _queue!.Wait(_wake, NetWait.None, 10);
        _queue.Receive(64);
        Assert.Empty(_buffers.Frames);
        _buffers.IsFull = false;
        _queue.Receive(64);
        _ = Await(IsOffer);
    }

    [SlirpFact]
    public void Random_frames_break_nothing()
    {
        Open(new NetBackendConfig(NetBackendKind.User) { Restrict = true });
        Random random = new(11);
        for (int round = 0; round < 20_000; round++)
        {
            byte[] frame = new byte[random.Next(21, 400)];
            random.NextBytes(frame);
            if (random.Next(4) != 0) (frame[12], frame[13]) = ((byte)(random.Next(2) == 0 ? 0x08 : 0x86), (byte)(random.Next(3) switch { 0 => 0, 1 => 6, _ => 0xdd }));
            if (random.Next(4) != 0) frame[14] = (byte)(random.Next(2) == 0 ? 0x45 : 0x60);
            Send(frame);
            _buffers.Frames.Clear();
            if (round % 64 != 0) continue;
            _queue!.Wait(_wake, NetWait.Receive, 0);
            _queue.Receive(64);
        }
        Send(Ethernet([255, 255, 255, 255, 255, 255], 0x0800, Ip4(17, [0, 0, 0, 0], [255, 255, 255, 255], Discover())));
        _ = Await(IsOffer);
    }

    [Theory]
    [InlineData("10.0.2.0", null, null, "net=")]
    [InlineData("10.0.2.0/33", null, null, "net=")]
    [InlineData("10.0.2/24", null, null, "IPv4")]
    [InlineData("10.0.2.0/24", "10.0.3.2", null, "10.0.3.2")]
    [InlineData("10.0.2.0/24", "10.0.2.255", null, "10.0.2.255")]
    [InlineData("10.0.2.0/24", "10.0.2.3", null, "one address")]
    [InlineData("10.0.2.0/24", "x", null, "IPv4")]
    [InlineData("10.0.2.0/24", null, "/nonexistent/folder", "tftp=")]
    public void Settings_that_cannot_be_are_one_sentence(string network, string? host, string? tftp, string part)
    {
        NetBackendConfig config = new(NetBackendKind.User) { Network = network, Host = host, Tftp = tftp };
        Assert.Contains(part, Assert.Throws<NetException>(() => NetBackends.Open(config, 0, 1, new MonotonicClock(), _said.Add)).Message, StringComparison.Ordinal);
    }

    [SlirpFact]
    public void A_port_that_is_taken_is_one_sentence()
    {
        using Socket holder = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        holder.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        holder.Listen();
        int port = ((IPEndPoint)holder.LocalEndPoint!).Port;
        NetBackendConfig config = new(NetBackendKind.User) { Forwards = [new PortForward(false, "127.0.0.1", port, "0.0.0.0", 80)] };
        Assert.Contains($"TCP port {port} of 127.0.0.1 cannot be forwarded", Assert.Throws<NetException>(() => NetBackends.Open(config, 0, 1, new MonotonicClock(), _said.Add)).Message, StringComparison.Ordinal);
    }
}
