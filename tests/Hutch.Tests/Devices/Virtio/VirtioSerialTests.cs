using System;
using System.Text;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>The device of virtio 1.2 §5.3 with several ports: 0 is a console, 1 and 2 have names.</summary>
public sealed class VirtioSerialTests : IDisposable
{
    private const ulong Features = (1UL << 32) | (1UL << 29), Multiport = 1 << 1;
    private const ulong Message = 0x20_0000, Answer = 0x21_0000, Input = 0x22_0000, Output = 0x24_0000;
    private const int ToDriver = 2, FromDriver = 3, ConsoleIn = 0, ConsoleOut = 1, AgentIn = 4, AgentOut = 5, Queues = 8;
    private const ushort Ready = 0, Add = 1, PortReady = 3, Console = 4, Open = 6, Name = 7;

    private readonly FakeStreams _streams = new();
    private readonly TestMachine _machine;
    private readonly IDevice _device;
    private readonly VirtioDriver _driver;

    public VirtioSerialTests()
    {
        _machine = new TestMachine(streams: _streams);
        _device = DeviceFactories.Create(new VirtioSerialConfig("serial0", [new SerialPortConfig("agent", "/agent", "org.qemu.guest_agent.0"), new SerialPortConfig("con", "/con", IsConsole: true),
            new SerialPortConfig("other", "/other", "other")]), _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
        _driver = new VirtioDriver(_machine, 1);
    }

    [Fact]
    public void Tells_of_every_port_and_what_it_is()
    {
        _driver.Bring(Queues, Features | Multiport);
        Assert.Equal(3UL, _machine.Load(_driver.Device + 4, 4));
        Tell(0, Ready, 1);
        Assert.Equal([(0u, Add, 1), (1u, Add, 1), (2u, Add, 1)], [Hear(), Hear(), Hear()]);
        Tell(0, PortReady, 1);
        Assert.Equal([(0u, Console, 1), (0u, Open, 1)], [Hear(), Hear()]);
        Tell(1, PortReady, 1);
        Assert.Equal((1u, Name, 1), Hear(out string name));
        Assert.Equal("org.qemu.guest_agent.0", name);
        Assert.True(IsSilent());
    }

    [Fact]
    public void Bytes_go_both_ways_while_a_client_is_there()
    {
        FakeStream client = Connected();
        client.Say("ping"u8);
        _driver.Submit(AgentIn, (Input, 64, true));
        Assert.Equal(4u, _driver.WaitUsed(AgentIn));
        Assert.Equal("ping", Text(Input, 4));
        Write(AgentOut, "pong, in two parts");
        Assert.Equal("pong, in two parts", Encoding.ASCII.GetString(client.Heard));
    }

    [Fact]
    public void What_the_client_has_no_room_for_waits_in_the_queue()
    {
        FakeStream client = Connected();
        byte[] sent = new byte[40_000];
        new Random(1).NextBytes(sent);
        _machine.Memory.TryCopyIn(Output, sent);
        client.Room = 20_001;
        _driver.Submit(AgentOut, (Output, 30_000, false), (Output + 30_000, 10_000, false));
        _driver.Submit(AgentOut, (Output, 3, false));
        Barrier();
        Assert.Equal(20_001, client.Heard.Length);
        Assert.False(_driver.TryTakeUsed(AgentOut, out _, out _));
        client.Room = int.MaxValue;
        _driver.Kick(AgentOut);
        Assert.Equal((0u, 0u), (_driver.WaitUsed(AgentOut), _driver.WaitUsed(AgentOut)));
        Assert.Equal([.. sent, .. sent[..3]], client.Heard);
    }

    [Fact]
    public void What_the_guest_has_no_buffers_for_or_is_not_open_for_waits_in_the_socket()
    {
        Announce();
        FakeStream client = _streams.At("/agent").Connect();
        client.Say("early"u8);
        _driver.Submit(AgentIn, (Input, 3, true));
        Assert.Equal((1u, Open, 1), Hear());
        Barrier();
        Assert.False(_driver.TryTakeUsed(AgentIn, out _, out _));
        Tell(1, Open, 1);
        Assert.Equal(3u, _driver.WaitUsed(AgentIn));
        Barrier();
        _driver.Submit(AgentIn, (Input + 3, 64, true));
        Assert.Equal(2u, _driver.WaitUsed(AgentIn));
        Assert.Equal("early", Text(Input, 5));
    }

    [Fact]
    public void What_is_written_to_nobody_is_dropped()
    {
        Announce();
        Write(AgentOut, "nobody");
        Write(ConsoleOut, "nobody");
        FakeStream client = _streams.At("/con").Connect();
        Barrier();
        Write(ConsoleOut, "somebody");
        Assert.Equal("somebody", Encoding.ASCII.GetString(client.Heard));
    }

    [Fact]
    public void A_client_that_leaves_is_told_of_before_the_next_one()
    {
        FakeStream first = Connected();
        first.Say("last words"u8);
        first.Leave();
        FakeStream second = _streams.At("/agent").Connect();
        second.Say("hello"u8);
        _driver.Submit(AgentIn, (Input, 64, true));
        Assert.Equal(10u, _driver.WaitUsed(AgentIn));
        _driver.Submit(AgentIn, (Input, 64, true));
        Assert.Equal([(1u, Open, 0), (1u, Open, 1)], [Hear(), Hear()]);
        Assert.Equal(5u, _driver.WaitUsed(AgentIn));
        Assert.Equal("hello", Text(Input, 5));
        Assert.True(first.IsDisposed);
    }

    [Fact]
    public void What_was_on_its_way_to_a_client_that_left_is_dropped_with_it()
    {
        FakeStream first = Connected();
        first.Room = 2;
        _driver.Submit(AgentOut, (Output, 8, false));
        Barrier();
        first.Leave();
        _driver.Submit(AgentIn, (Input, 64, true));
        Assert.Equal(0u, _driver.WaitUsed(AgentOut));
        Assert.Equal((1u, Open, 0), Hear());
        FakeStream second = _streams.At("/agent").Connect();
        Barrier();
        Assert.Equal((1u, Open, 1), Hear());
        Write(AgentOut, "new");
        Assert.Equal("new", Encoding.ASCII.GetString(second.Heard));
    }

    [Fact]
    public void A_client_that_leaves_a_port_that_the_guest_has_not_opened_makes_room()
    {
        Announce();
        FakeStream first = _streams.At("/agent").Connect();
        Barrier();
        Assert.Equal((1u, Open, 1), Hear());
        first.Say("to nobody"u8);
        first.Leave();
        Barrier();
        Assert.Equal((1u, Open, 0), Hear());
        Assert.True(first.IsDisposed);
    }

    [Fact]
    public void A_driver_that_comes_anew_learns_of_the_client()
    {
        FakeStream client = Connected();
        _driver.Bring(Queues, Features | Multiport);
        Barrier();
        Assert.True(IsSilent());
        Announce();
        Assert.Equal((1u, Open, 1), Hear());
        Assert.False(client.IsDisposed);
    }

    [Fact]
    public void A_driver_without_the_feature_has_the_console()
    {
        _driver.Bring(2, Features);
        FakeStream client = _streams.At("/con").Connect();
        client.Say("typed"u8);
        _driver.Submit(ConsoleIn, (Input, 64, true));
        Assert.Equal(5u, _driver.WaitUsed(ConsoleIn));
        Write(ConsoleOut, "shown");
        Assert.Equal("shown", Encoding.ASCII.GetString(client.Heard));
    }

    [Fact]
    public void A_restored_guest_learns_that_its_client_is_gone()
    {
        FakeStream client = Connected();
        client.Room = 5;
        _machine.Memory.TryCopyIn(Output, "halfway done"u8);
        _driver.Submit(AgentOut, (Output, 12, false));
        Barrier();
        _device.Stop();
        StateWriter saved = new("serial0");
        _device.Exchange(saved);
        client.Leave();
        _device.Exchange(new StateReader("serial0", saved.Body.ToArray()));
        StateWriter again = new("serial0");
        _device.Exchange(again);
        Assert.Equal(saved.Body.ToArray(), again.Body.ToArray());
        _device.Start();
        _driver.Submit(AgentIn, (Input, 64, true));
        Assert.Equal(0u, _driver.WaitUsed(AgentOut));
        Assert.Equal((1u, Open, 0), Hear());
    }

    [Fact]
    public void Messages_that_make_no_sense_change_nothing()
    {
        Connected();
        foreach ((uint port, ushort what, ushort value) in ((uint, ushort, ushort)[])[(9, PortReady, 1), (uint.MaxValue, Open, 1), (1, 99, 1), (1, PortReady, 0), (0, Ready, 0)]) Tell(port, what, value);
        _driver.Submit(FromDriver, (Message, 5, false));
        Assert.Equal(0u, _driver.WaitUsed(FromDriver));
        Assert.True(IsSilent());
        Write(AgentOut, "still there");
    }

    [Fact]
    public void A_message_that_does_not_fit_is_given_back_empty()
    {
        _driver.Bring(Queues, Features | Multiport);
        _driver.Submit(ToDriver, (Answer, 4, true));
        Tell(0, Ready, 1);
        Assert.Equal(0u, _driver.WaitUsed(ToDriver));
        Assert.Equal((1u, Add, 1), Hear());
    }

    [Fact]
    public void Closes_its_sockets()
    {
        FakeStream client = Connected();
        _device.Dispose();
        Assert.True(client.IsDisposed);
        Assert.False(_streams.IsListening("/agent") || _streams.IsListening("/con") || _streams.IsListening("/other"));
    }

    public void Dispose()
    {
        _device.Dispose();
        _machine.Dispose();
    }

    // Up to where the agent's port is open, with a client.
    private FakeStream Connected()
    {
        Announce();
        FakeStream client = _streams.At("/agent").Connect();
        Tell(1, Open, 1);
        Assert.Equal((1u, Open, 1), Hear());
        return client;
    }

    private void Announce()
    {
        _driver.Bring(Queues, Features | Multiport);
        Tell(0, Ready, 1);
        for (int port = 0; port < 3; port++) Assert.Equal(Add, Hear().What);
        Tell(0, PortReady, 1);
        Tell(0, Open, 1);
        Tell(1, PortReady, 1);
        Assert.Equal([Console, Open, Name], new[] { Hear().What, Hear().What, Hear().What });
    }

    private void Tell(uint port, ushort what, ushort value)
    {
        _machine.Memory.TryWrite(Message, port);
        _machine.Memory.TryWrite(Message + 4, what);
        _machine.Memory.TryWrite(Message + 6, value);
        _driver.Submit(FromDriver, (Message, 8, false));
        Assert.Equal(0u, _driver.WaitUsed(FromDriver));
    }

    // Two messages for a port that there is not: when the second was heard, all that was there before the first was done.
    private void Barrier()
    {
        Tell(99, PortReady, 1);
        Tell(99, PortReady, 1);
    }

    private (uint Port, ushort What, int Value) Hear() => Hear(out _);

    private (uint Port, ushort What, int Value) Hear(out string name)
    {
        _driver.Submit(ToDriver, (Answer, 64, true));
        int length = (int)_driver.WaitUsed(ToDriver);
        byte[] message = new byte[length];
        _machine.Memory.TryCopyOut(Answer, message);
        name = Encoding.ASCII.GetString(message.AsSpan(8));
        return (BitConverter.ToUInt32(message), BitConverter.ToUInt16(message, 4), BitConverter.ToUInt16(message, 6));
    }

    // Nothing is to be told. Leaves a buffer behind.
    private bool IsSilent()
    {
        _driver.Submit(ToDriver, (Answer, 64, true));
        Barrier();
        return !_driver.TryTakeUsed(ToDriver, out _, out _);
    }

    private void Write(int queue, string text)
    {
        _machine.Memory.TryCopyIn(Output, Encoding.ASCII.GetBytes(text));
        uint half = (uint)text.Length / 2;
        _driver.Submit(queue, (Output, half, false), (Output + half, (uint)text.Length - half, false));
        Assert.Equal(0u, _driver.WaitUsed(queue));
    }

    private string Text(ulong address, int length)
    {
        byte[] data = new byte[length];
        _machine.Memory.TryCopyOut(address, data);
        return Encoding.ASCII.GetString(data);
    }
}
