using System;
using System.Buffers.Binary;
using System.Linq;
using Hutch.Devices;
using Hutch.Model.Machine;
using Hutch.Net;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>The network device (virtio 1.2 §5.1).</summary>
public sealed class VirtioNetTests : IDisposable
{
    private const ulong Version1 = 1UL << 32, EventIndex = 1UL << 29, Checksum = 1, GuestChecksum = 2, Tso4 = 1UL << 11, Mergeable = 1UL << 15, Status = 1UL << 16;
    private const ulong Control = 1UL << 17, ControlReceive = 1UL << 18, ControlVlan = 1UL << 19, Announce = 1UL << 21, MultiQueue = 1UL << 22, ControlMac = 1UL << 23;
    private const ulong Usual = Version1 | EventIndex | Status;
    private const ulong Send = 0x20_0000, Receive = 0x30_0000, Command = 0x40_0000;
    private static readonly byte[] Own = [0x52, 0x54, 0, 1, 2, 3];

    private readonly TestMachine _machine = new();

    public void Dispose() => _machine.Dispose();

    private (IDevice Device, VirtioDriver Driver) Make(FakeNetwork network, ulong features, int pairs = 1, VirtioNetConfig? config = null)
    {
        config ??= new VirtioNetConfig("nic0", "52:54:00:01:02:03", new NetBackendConfig(NetBackendKind.None)) { Queues = pairs };
        _machine.Network = network;
        IDevice device = DeviceFactories.Create(config, _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        device.Start();
        VirtioDriver driver = new(_machine, 1);
        driver.Bring((2 * pairs) + 1, features);
        return (device, driver);
    }

    private static byte[] Frame(int length, byte[]? target = null)
    {
        byte[] frame = new byte[length];
        for (int i = 0; i < length; i++) frame[i] = (byte)(i * 7);
        (target ?? Own).CopyTo(frame, 0);
        if (length > 13) (frame[12], frame[13]) = (8, 0);
        return frame;
    }

    private void Put(ulong address, byte[] header, byte[] frame)
    {
        _machine.Memory.TryCopyIn(address, header);
        _machine.Memory.TryCopyIn(address + (ulong)header.Length, frame);
    }

    private byte[] Got(ulong address, int length)
    {
        byte[] bytes = new byte[length];
        _machine.Memory.TryCopyOut(address, bytes);
        return bytes;
    }

    private byte Order(VirtioDriver driver, int queue, byte[] command)
    {
        _machine.Memory.TryCopyIn(Command, command);
        _machine.Memory.TryWrite(Command + 0x1000, (byte)0xff);
        driver.Submit(queue, (Command, (uint)command.Length, false), (Command + 0x1000, 1, true));
        Assert.Equal(1u, driver.WaitUsed(queue));
        return Got(Command + 0x1000, 1)[0];
    }

    // virtio 1.2 §5.1.6.2.
    [Fact]
    public void A_frame_is_sent_whatever_its_buffers_are()
    {
        FakeNetwork network = new();
        (IDevice device, VirtioDriver driver) = Make(network, Usual);
        byte[] frame = Frame(300);
        Put(Send, new byte[12], frame);
        driver.Submit(1, (Send, 5, false), (Send + 5, 20, false), (Send + 25, 287, false));
        Assert.Equal(0u, driver.WaitUsed(1));
        Assert.Equal(frame, network.Take().Frame);
        device.Dispose();
        Assert.True(network.IsDisposed);
    }

    // virtio 1.2 §5.1.6.2: checksum and segmentation of the header.
    [Fact]
    public void The_work_that_the_driver_left_is_passed_on()
    {
        FakeNetwork network = new();
        (IDevice device, VirtioDriver driver) = Make(network, Usual | Checksum | Tso4);
        Assert.Equal((NetOffloads.TransmitChecksum | NetOffloads.TransmitTso4, 1), network.Configured);
        PacketOffload offload = new(PacketOffload.NeedsChecksum, PacketOffload.Tcp4, 54, 1460, 34, 16);
        byte[] header = new byte[12];
        offload.Write(header);
        Put(Send, header, Frame(5000));
        driver.Submit(1, (Send, 5012, false));
        _ = driver.WaitUsed(1);
        Assert.Equal(offload, network.Take().Offload);
        device.Dispose();
    }

    // virtio 1.2 §5.1.6.2.2.
    [Theory]
    [InlineData(Usual, 1, 0, 34, 16, 100)]                  // a checksum that was not negotiated
    [InlineData(Usual | Checksum, 1, 0, 90, 16, 100)]       // a checksum behind the frame
    [InlineData(Usual | Checksum, 1, 0, 2, 16, 100)]        // a checksum in the Ethernet header
    [InlineData(Usual | Checksum, 1, 1, 34, 16, 100)]       // a segmentation that was not negotiated
    [InlineData(Usual | Checksum | Tso4, 0, 1, 0, 0, 100)]  // a segmentation without a checksum
    [InlineData(Usual | Checksum | Tso4, 1, 77, 34, 16, 100)]
    [InlineData(Usual, 0, 0, 0, 0, 13)]                     // shorter than an Ethernet header
    public void A_frame_that_makes_no_sense_is_dropped_and_the_next_one_is_sent(ulong features, byte flags, byte segmentation, ushort start, ushort offset, int length)
    {
        FakeNetwork network = new();
        (IDevice device, VirtioDriver driver) = Make(network, features);
        byte[] header = new byte[12];
        new PacketOffload(flags, segmentation, 54, 1460, start, offset).Write(header);
        Put(Send, header, Frame(length));
        driver.Submit(1, (Send, (uint)(12 + length), false));
        _ = driver.WaitUsed(1);
        driver.Submit(1, (Send, 7, false));
        _ = driver.WaitUsed(1);
        Put(Send, new byte[12], Frame(60));
        driver.Submit(1, (Send, 72, false));
        _ = driver.WaitUsed(1);
        Assert.Equal(60, network.Take().Frame.Length);
        Assert.Empty(network.Sent);
        device.Dispose();
    }

    [Fact]
    public void A_frame_that_the_network_refuses_is_sent_later()
    {
        FakeNetwork network = new() { IsFull = true };
        (IDevice device, VirtioDriver driver) = Make(network, Usual);
        Put(Send, new byte[12], Frame(60));
        driver.Submit(1, (Send, 72, false));
        device.Stop();
        Assert.False(driver.TryTakeUsed(1, out _, out _));
        device.Start();
        network.MakeRoom();
        _ = driver.WaitUsed(1);
        Assert.Equal(60, network.Take().Frame.Length);
        device.Dispose();
    }

    // virtio 1.2 §5.1.6.3.
    [Fact]
    public void A_frame_is_received_into_one_buffer_and_waits_for_one()
    {
        FakeNetwork network = new();
        (IDevice device, VirtioDriver driver) = Make(network, Usual | GuestChecksum);
        byte[] frame = Frame(1000);
        network.Arrive(frame, offload: PacketOffload.Verified);
        driver.Submit(0, (Receive, 10, true), (Receive + 10, 2000, true));
        Assert.Equal(1012u, driver.WaitUsed(0));
        Assert.Equal((byte[])[PacketOffload.ChecksumIsValid, .. new byte[9], 1, 0, .. frame], Got(Receive, 1012));
        device.Dispose();
    }

    // virtio 1.2 §5.1.6.4.1.
    [Fact]
    public void A_driver_that_verifies_itself_is_told_nothing()
    {
        FakeNetwork network = new();
        (IDevice device, VirtioDriver driver) = Make(network, Usual);
        driver.Submit(0, (Receive, 2000, true));
        network.Arrive(Frame(60), offload: PacketOffload.Verified);
        Assert.Equal(72u, driver.WaitUsed(0));
        Assert.Equal((byte[])[.. new byte[10], 1, 0], Got(Receive, 12));
        device.Dispose();
    }

    // virtio 1.2 §5.1.6.4: num_buffers.
    [Fact]
    public void Mergeable_buffers_hold_a_frame_together()
    {
        FakeNetwork network = new();
        (IDevice device, VirtioDriver driver) = Make(network, Usual | Mergeable);
        byte[] frame = Frame(2500);
        driver.Submit(0, (Receive, 1000, true));
        network.Arrive(frame);
        driver.Submit(0, (Receive + 0x1000, 1000, true));
        device.Stop();
        // Two of three that it takes: the driver has not seen any of them.
        Assert.False(driver.TryTakeUsed(0, out _, out _));
        device.Start();
        driver.Submit(0, (Receive + 0x2000, 1000, true));
        Assert.Equal((uint[])[1000u, 1000u, 512u], (uint[])[driver.WaitUsed(0), driver.WaitUsed(0), driver.WaitUsed(0)]);
        Assert.Equal(3, BinaryPrimitives.ReadUInt16LittleEndian(Got(Receive + 10, 2)));
        Assert.Equal(frame, (byte[])[.. Got(Receive + 12, 988), .. Got(Receive + 0x1000, 1000), .. Got(Receive + 0x2000, 512)]);
        device.Dispose();
    }

    [Fact]
    public void A_frame_that_no_buffer_holds_is_dropped()
    {
        FakeNetwork network = new();
        (IDevice device, VirtioDriver driver) = Make(network, Usual);
        driver.Submit(0, (Receive, 100, true));
        network.Arrive(Frame(1000));
        network.Arrive(Frame(60));
        Assert.Equal(72u, driver.WaitUsed(0));
        device.Dispose();
    }

    [Fact]
    public void A_buffer_without_room_for_the_header_asks_for_a_reset()
    {
        FakeNetwork network = new();
        (IDevice device, VirtioDriver driver) = Make(network, Usual);
        driver.Submit(0, (Receive, 11, true));
        network.Arrive(Frame(60));
        driver.WaitNeedsReset();
        device.Dispose();
    }

    // virtio 1.2 §5.1.6.5.1, §5.1.6.5.2, §5.1.6.5.3.
    [Fact]
    public void The_filter_keeps_out_what_the_driver_does_not_want()
    {
        FakeNetwork network = new();
        (IDevice device, VirtioDriver driver) = Make(network, Usual | Control | ControlReceive | ControlVlan | ControlMac);
        byte[] group = [1, 0, 0x5e, 0, 0, 1], other = [0x52, 0x54, 0, 9, 9, 9], listed = [0x52, 0x54, 0, 8, 8, 8], tagged = Frame(61);
        (tagged[12], tagged[13], tagged[14], tagged[15]) = (0x81, 0, 0, 5);
        Assert.Equal(0, Order(driver, 2, [0, 0, 0]));
        Assert.Equal(0, Order(driver, 2, [1, 0, 1, 0, 0, 0, .. listed, 0, 0, 0, 0]));
        for (uint i = 0; i < 4; i++) driver.Submit(0, (Receive + (i * 0x1000), 1000, true));
        network.Arrive(Frame(60, other));
        network.Arrive(Frame(62, group));
        network.Arrive(tagged);
        network.Arrive(Frame(63));
        network.Arrive(Frame(64, listed));
        network.Arrive(Frame(65, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
        Assert.Equal((uint[])[75u, 76u, 77u], (uint[])[driver.WaitUsed(0), driver.WaitUsed(0), driver.WaitUsed(0)]);
        Assert.Equal(0, Order(driver, 2, [0, 1, 1]));
        Assert.Equal(0, Order(driver, 2, [2, 0, 5, 0]));
        network.Arrive(Frame(62, group));
        Assert.Equal(74u, driver.WaitUsed(0));
        driver.Submit(0, (Receive, 1000, true));
        network.Arrive(tagged);
        Assert.Equal(73u, driver.WaitUsed(0));
        device.Dispose();
    }

    // virtio 1.2 §5.1.6.5: VIRTIO_NET_ERR.
    [Theory]
    [InlineData(new byte[] { 0, 0 })]
    [InlineData(new byte[] { 0, 9, 1 })]
    [InlineData(new byte[] { 1, 0, 255, 255, 255, 255 })]
    [InlineData(new byte[] { 1, 0, 1, 0, 0, 0, 1, 2, 3 })]
    [InlineData(new byte[] { 1, 1, 2, 3 })]
    [InlineData(new byte[] { 2, 0, 0, 16 })]
    [InlineData(new byte[] { 4, 0, 1, 0 })]
    [InlineData(new byte[] { 77, 0 })]
    [InlineData(new byte[] { 3 })]
    public void A_command_that_makes_no_sense_is_an_error_and_nothing_else(byte[] command)
    {
        FakeNetwork network = new();
        (IDevice device, VirtioDriver driver) = Make(network, Usual | Control | ControlReceive | ControlVlan | ControlMac);
        Assert.Equal(1, Order(driver, 2, command));
        Assert.Equal(0, Order(driver, 2, [0, 0, 0]));
        device.Dispose();
    }

    // virtio 1.2 §5.1.6.5.2: VIRTIO_NET_CTRL_MAC_ADDR_SET.
    [Fact]
    public void The_driver_may_choose_another_address_until_it_is_reset()
    {
        FakeNetwork network = new();
        (IDevice device, VirtioDriver driver) = Make(network, Usual | Control | ControlMac);
        Assert.Equal(0, Order(driver, 2, [1, 1, 2, 3, 4, 5, 6, 7]));
        Assert.Equal(0x05040302u, (uint)_machine.Load(driver.Device, 4));
        device.Stop();
        device.Reset();
        Assert.Equal(0x01005452u, (uint)_machine.Load(driver.Device, 4));
        device.Dispose();
    }

    // virtio 1.2 §5.1.2, §5.1.6.5.5: VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET; §5.1.4: max_virtqueue_pairs.
    [Fact]
    public void Several_pairs_have_a_control_queue_behind_them_and_are_used_when_the_driver_says_so()
    {
        FakeNetwork network = new(queues: 4);
        (IDevice device, VirtioDriver driver) = Make(network, Usual | Control | MultiQueue, pairs: 2);
        Assert.Equal(2u, (uint)_machine.Load(driver.Device + 8, 2));
        Assert.Equal(1, network.Configured.Queues);
        Assert.Equal(1, Order(driver, 4, [4, 0, 3, 0]));
        Assert.Equal(0, Order(driver, 4, [4, 0, 2, 0]));
        Assert.Equal(2, network.Configured.Queues);
        Put(Send, new byte[12], Frame(60));
        driver.Submit(3, (Send, 72, false));
        _ = driver.WaitUsed(3);
        Assert.Equal(1, network.Take().Queue);
        driver.Submit(2, (Receive, 1000, true));
        network.Arrive(Frame(61), queue: 1);
        Assert.Equal(73u, driver.WaitUsed(2));
        device.Dispose();
    }

    // virtio 1.2 §5.1.4: status; §4.1.5.4.
    [Fact]
    public void A_pulled_cable_lets_nothing_through_and_the_driver_hears_of_it()
    {
        FakeNetwork network = new();
        (IDevice device, VirtioDriver driver) = Make(network, Usual);
        INetworkCard card = Assert.Single(_machine.Services.NetworkCards);
        Assert.Equal(1u, (uint)_machine.Load(driver.Device + 6, 2));
        int before = _machine.Router.Messages.Count(static message => message.Data == 0x40);
        card.SetLink(false);
        card.SetLink(false);
        Assert.Equal(0u, (uint)_machine.Load(driver.Device + 6, 2));
        Assert.Equal(before + 1, _machine.Router.Messages.Count(static message => message.Data == 0x40));
        Put(Send, new byte[12], Frame(60));
        driver.Submit(1, (Send, 72, false));
        _ = driver.WaitUsed(1);
        Assert.Empty(network.Sent);
        card.SetLink(true);
        driver.Submit(1, (Send, 72, false));
        _ = driver.WaitUsed(1);
        Assert.Single(network.Sent);
        device.Dispose();
    }

    // virtio 1.2 §5.1.3, §5.1.4: VIRTIO_NET_F_MTU.
    [Theory]
    [InlineData(0, 1500, 1500)]
    [InlineData(9000, 1500, 9000)]
    public void The_longest_packet_is_the_back_ends_unless_it_is_said(int said, int backend, int expected)
    {
        VirtioNetConfig config = new("nic0", "52:54:00:01:02:03", new NetBackendConfig(NetBackendKind.None)) { MtuBytes = said };
        (IDevice device, VirtioDriver driver) = Make(new FakeNetwork(mtuBytes: backend), Usual, config: config);
        Assert.NotEqual(0UL, driver.OfferedFeatures() & 8);
        Assert.Equal(expected, (int)_machine.Load(driver.Device + 10, 2));
        device.Dispose();
    }

    // virtio 1.2 §5.1.1 (device 1), §5.1.3: which feature bits there are, §5.1.4: mac, status, max_virtqueue_pairs, mtu; read-only for the driver (§5.1.4.2).
    [Fact]
    public void Features_and_the_configuration_agree()
    {
        (IDevice device, VirtioDriver driver) = Make(new FakeNetwork(mtuBytes: 1500), Usual);
        Assert.Equal(0x1041u, _machine.ReadConfig(1, 2, 2));
        // CSUM, GUEST_CSUM, MTU, MAC, HOST_TSO4, MRG_RXBUF, STATUS, CTRL_VQ, CTRL_RX, CTRL_VLAN, CTRL_RX_EXTRA, GUEST_ANNOUNCE, CTRL_MAC_ADDR; not MQ, with one pair.
        const ulong Offered = Checksum | GuestChecksum | 1 << 3 | 1 << 5 | Tso4 | Mergeable | Status | Control | ControlReceive | ControlVlan | 1 << 20 | Announce | ControlMac;
        Assert.Equal(Offered, driver.OfferedFeatures() & 0xff_ffff);
        _machine.Store(driver.Device, ulong.MaxValue, 8);
        Assert.Equal(Own, Enumerable.Range(0, 6).Select(at => (byte)_machine.Load(driver.Device + (ulong)at, 1)));
        Assert.Equal((1UL, 1UL, 1500UL), (_machine.Load(driver.Device + 6, 2), _machine.Load(driver.Device + 8, 2), _machine.Load(driver.Device + 10, 2)));
        device.Dispose();
    }

    // virtio 1.2 §4.1.4.5 (ISR status, bit 1) and §4.1.4.3 (config_generation), for a driver without MSI-X.
    [Fact]
    public void A_change_of_the_configuration_has_a_bit_and_a_generation()
    {
        (IDevice device, VirtioDriver driver) = Make(new FakeNetwork(), Usual);
        _machine.WriteConfig(1, driver.MsixCapability + 2, 0, 2);
        _ = _machine.Load(driver.Isr, 1);
        ulong before = _machine.Load(driver.Common + 0x15, 1);
        Assert.Single(_machine.Services.NetworkCards).SetLink(false);
        Assert.True(_machine.Gsi[17]);
        Assert.Equal(2UL, _machine.Load(driver.Isr, 1) & 2);
        Assert.Equal((before + 1) & 0xff, _machine.Load(driver.Common + 0x15, 1));
        Assert.Equal(0UL, _machine.Load(driver.Isr, 1) & 2);
        device.Dispose();
    }

    [Theory]
    [InlineData("53:54:00:01:02:03", 1, 0)]
    [InlineData("00:00:00:00:00:00", 1, 0)]
    [InlineData("52:54:00:01:02", 1, 0)]
    [InlineData("52:54:00:01:02:03", 0, 0)]
    [InlineData("52:54:00:01:02:03", 17, 0)]
    [InlineData("52:54:00:01:02:03", 1, 67)]
    public void A_card_that_cannot_be_is_refused(string mac, int queues, int mtu)
    {
        _machine.Network = new FakeNetwork();
        VirtioNetConfig config = new("nic0", mac, new NetBackendConfig(NetBackendKind.None)) { Queues = queues, MtuBytes = mtu };
        Assert.Contains("nic0", Assert.Throws<ConfigException>(() => DeviceFactories.Create(config, _machine.Services)).Message, StringComparison.Ordinal);
    }
}
