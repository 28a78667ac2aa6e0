using System;
using System.Collections.Generic;
using System.Text;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Devices.Virtio.Vsock;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>The device of virtio 1.2 §5.10 by its queues.</summary>
public sealed class VirtioVsockTests : IDisposable
{
    private const ulong Features = (1UL << 32) | (1UL << 29), Sent = 0x20_0000, Received = 0x22_0000;
    private const int In = 0, Out = 1, Events = 2;

    private readonly FakeStreams _streams = new();
    private readonly List<FakeStream> _made = [];
    private readonly TestMachine _machine;
    private readonly IDevice _device;
    private readonly VirtioDriver _driver;

    public VirtioVsockTests()
    {
        _streams.Answering["/v_52"] = _made;
        _machine = new TestMachine(streams: _streams);
        _device = DeviceFactories.Create(new VirtioVsockConfig("vsock0", 42, "/v"), _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
        _driver = new VirtioDriver(_machine, 1);
        _driver.Bring(3, Features);
    }

    [Fact]
    public void Says_its_context_id()
    {
        Assert.Equal(0x1053_1af4u, _machine.ReadConfig(1, 0));
        Assert.Equal(42UL, _machine.Load(_driver.Device, 8));
        Assert.Equal(1UL, _driver.OfferedFeatures() & 0xffff);
    }

    [Fact]
    public void Bytes_go_both_ways()
    {
        FakeStream stream = Connect();
        Send(Packet(VsockOperation.ReadWrite), "from the guest");
        Assert.Equal("from the guest", Encoding.ASCII.GetString(stream.Heard));
        stream.Say("0123456789"u8);
        _driver.Submit(In, (Received, 44, true), (Received + 0x1000, 4, true));
        Assert.Equal(48u, _driver.WaitUsed(In));
        Assert.Equal("0123", Text(Received + 0x1000, 4));
        Assert.Equal("456789", Receive().Data);
    }

    [Fact]
    public void Broken_packets_and_buffers_change_nothing()
    {
        FakeStream stream = Connect();
        _driver.Submit(Out, (Sent, 20, false));
        Assert.Equal(0u, _driver.WaitUsed(Out));
        Send(Packet(VsockOperation.ReadWrite), "short", 500);
        Send(Packet(VsockOperation.ReadWrite), "behind nothing", 0);
        Assert.Empty(stream.Heard);
        stream.Say("x"u8);
        _driver.Submit(In, (Received, 44, true));
        Assert.Equal(0u, _driver.WaitUsed(In));
        Assert.Equal("x", Receive().Data);
        // Longer than any room: the connection ends.
        Send(Packet(VsockOperation.ReadWrite), "long", uint.MaxValue);
        Assert.Equal(VsockOperation.Reset, Receive().Packet.Operation);
    }

    [Fact]
    public void Questions_wait_until_answers_have_buffers()
    {
        // More than may wait; nothing is lost.
        const int Count = 200;
        int answered = 0, sent = 0, taken = 0;
        while (answered < Count)
        {
            for (; sent < Count && sent - taken < VirtioDriver.QueueSize - 2; sent++)
            {
                Put(Packet(VsockOperation.ReadWrite) with { SourcePort = (uint)sent });
                _driver.Submit(Out, (Sent + (64 * (ulong)(sent % 16)), 44, false));
            }
            while (_driver.TryTakeUsed(Out, out _, out _)) taken++;
            (VsockPacket packet, _) = Receive();
            Assert.Equal((VsockOperation.Reset, (uint)answered++), (packet.Operation, packet.TargetPort));
        }

        void Put(VsockPacket packet)
        {
            byte[] bytes = new byte[VsockPacket.Bytes];
            packet.Write(bytes);
            _machine.Memory.TryCopyIn(Sent + (64 * (ulong)(sent % 16)), bytes);
        }
    }

    [Fact]
    public void A_restored_guest_is_told_that_its_connections_are_gone()
    {
        FakeStream stream = Connect();
        _device.Stop();
        StateWriter saved = new("vsock0");
        _device.Exchange(saved);
        Assert.False(stream.IsDisposed);
        _device.Exchange(new StateReader("vsock0", saved.Body.ToArray()));
        StateWriter again = new("vsock0");
        _device.Exchange(again);
        Assert.Equal(saved.Body.ToArray(), again.Body.ToArray());
        Assert.True(stream.IsDisposed);
        _machine.Memory.TryWrite(Received, uint.MaxValue);
        _device.Start();
        _driver.Submit(Events, (Received, 4, true));
        Assert.Equal(4u, _driver.WaitUsed(Events));
        Assert.True(_machine.Memory.TryRead(Received, out uint which));
        Assert.Equal(0u, which);
        // Once.
        _driver.Submit(Events, (Received, 4, true));
        Connect();
        Assert.False(_driver.TryTakeUsed(Events, out _, out _));
    }

    [Fact]
    public void A_reset_ends_connections_and_a_pause_does_not()
    {
        FakeStream stream = Connect();
        _device.Stop();
        stream.Say("meanwhile"u8);
        _device.Start();
        Assert.Equal("meanwhile", Receive().Data);
        _driver.Bring(3, Features);
        Assert.True(stream.IsDisposed);
        Connect();
        _device.Dispose();
        Assert.True(_made[^1].IsDisposed);
        Assert.False(_streams.IsListening("/v"));
    }

    public void Dispose()
    {
        _device.Dispose();
        _machine.Dispose();
    }

    private static VsockPacket Packet(VsockOperation operation) => new()
    {
        SourceCid = 42, TargetCid = 2, SourcePort = 1000, TargetPort = 52, Type = 1, Operation = operation, RoomBytes = 1 << 16,
    };

    private FakeStream Connect()
    {
        Send(Packet(VsockOperation.Request), "");
        Assert.Equal(VsockOperation.Response, Receive().Packet.Operation);
        return _made[^1];
    }

    private void Send(VsockPacket packet, string data, uint? says = null)
    {
        byte[] bytes = new byte[VsockPacket.Bytes];
        (packet with { Length = says ?? (uint)data.Length }).Write(bytes);
        _machine.Memory.TryCopyIn(Sent, [.. bytes, .. Encoding.ASCII.GetBytes(data)]);
        if (data.Length == 0) _driver.Submit(Out, (Sent, 44, false));
        else _driver.Submit(Out, (Sent, 44, false), (Sent + 44, (uint)data.Length, false));
        Assert.Equal(0u, _driver.WaitUsed(Out));
    }

    private (VsockPacket Packet, string Data) Receive()
    {
        _driver.Submit(In, (Received, 44, true), (Received + 44, 4000, true));
        int length = (int)_driver.WaitUsed(In);
        byte[] header = new byte[VsockPacket.Bytes];
        _machine.Memory.TryCopyOut(Received, header);
        return (VsockPacket.Read(header), Text(Received + 44, length - VsockPacket.Bytes));
    }

    private string Text(ulong address, int length)
    {
        byte[] data = new byte[length];
        _machine.Memory.TryCopyOut(address, data);
        return Encoding.ASCII.GetString(data);
    }
}
