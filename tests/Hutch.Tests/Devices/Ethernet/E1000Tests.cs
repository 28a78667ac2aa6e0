using System;
using System.Buffers.Binary;
using System.Linq;
using Hutch.Devices;
using Hutch.Net;
using Hutch.Tests.Devices.Virtio;
using Xunit;
using static Hutch.Tests.Devices.Ethernet.E1000Driver;

namespace Hutch.Tests.Devices.Ethernet;

/// <summary>The 82540EM against its manual (Intel 8254x Software Developer's Manual, revision 4.0).</summary>
public sealed class E1000Tests : IDisposable
{
    private const uint SentCause = 1, LinkCause = 4, ReceivedCause = 0x80;

    private readonly TestMachine _machine = new();
    private readonly FakeNetwork _network = new();
    private readonly E1000Driver _driver;

    public E1000Tests() => _driver = new E1000Driver(_machine, _network);

    public void Dispose()
    {
        _driver.Dispose();
        _machine.Dispose();
    }

    // One word over the four wires (§5.3.1): start bit and order, six bits of address, sixteen of data.
    private ushort ReadWord(uint word)
    {
        _driver[0x10] = 0x40;
        Assert.Equal(0x180u, _driver[0x10] & 0x180);
        _driver[0x10] = 0x42;
        for (int i = 8; i >= 0; i--) Cycle((0b110u << 6 | word) >> i & 1);
        ushort value = 0;
        for (int i = 0; i < 16; i++)
        {
            _driver[0x10] = 0x43;
            value = (ushort)(value << 1 | (int)(_driver[0x10] >> 3 & 1));
            _driver[0x10] = 0x42;
        }
        _driver[0x10] = 0;
        return value;

        void Cycle(uint bit)
        {
            _driver[0x10] = 0x42 | bit << 2;
            _driver[0x10] = 0x43 | bit << 2;
            _driver[0x10] = 0x42 | bit << 2;
        }
    }

    private uint Phy(int register, uint order = 2, uint data = 0)
    {
        _driver[0x20] = data | (uint)register << 16 | 1 << 21 | order << 26;
        uint answer = _driver[0x20];
        Assert.Equal(1u << 28, answer & 0x5000_0000);
        return answer & 0xffff;
    }

    [Fact]
    public void The_function_says_that_it_is_an_82540EM()
    {
        Assert.Equal(0x100e_8086u, _machine.ReadConfig(1, 0));
        Assert.Equal(0x0200_0003u, _machine.ReadConfig(1, 8));
        Assert.Equal(1u, _machine.ReadConfig(1, 0x3d, 1));
    }

    // 8254x §5.6 (content and sum), §13.4.3 (EECD), §13.4.4 (EERD).
    [Fact]
    public void The_EEPROM_has_the_address_and_its_sum()
    {
        Assert.Equal((0x5452, 0x0100, 0x0302), (ReadWord(0), ReadWord(1), ReadWord(2)));
        Assert.Equal(0xbaba, (ushort)Enumerable.Range(0, 64).Sum(word => ReadWord((uint)word)));
        _driver[0x14] = 1 | 2 << 8;
        Assert.Equal(0x0302_0210u, _driver[0x14]);
        Assert.Equal((0x0100_5452u, 0x8000_0302u), (_driver[0x5400], _driver[0x5404]));
    }

    // 8254x §13.4.10 (MDIC); IEEE 802.3 §22.2.4.
    [Fact]
    public void The_transceiver_has_negotiated_and_tells_of_the_cable()
    {
        Assert.Equal((0x0141u, 0x0c20u), (Phy(2), Phy(3)));
        Assert.Equal(0x7949u | 0x24, Phy(1));
        Assert.Equal(0x80u | 3, _driver[8] & 0xc3);
        _driver[0xd0] = LinkCause;
        ((INetworkCard)_driver.Device).SetLink(false);
        Assert.True(_driver.Interrupts);
        Assert.Equal(LinkCause, _driver[0xc0]);
        Assert.False(_driver.Interrupts);
        Assert.Equal(0u, _driver[8] & 2);
        Assert.Equal(0u, Phy(1) & 4);
        ((INetworkCard)_driver.Device).SetLink(true);
        Assert.Equal((2u, 4u), (_driver[8] & 2, Phy(1) & 4));
        // A negotiation that was asked for ends at once (IEEE 802.3 §22.2.4.1).
        _ = _driver[0xc0];
        Phy(0, order: 1, 0x1340);
        Assert.Equal((0x1140u, LinkCause), (Phy(0), _driver[0xc0]));
        // There is one transceiver, at address 1.
        _driver[0x20] = 2u << 21 | 2u << 26;
        Assert.Equal(0x5000_0000u, _driver[0x20] & 0x5000_0000);
    }

    // 8254x §3.3.3, §3.4.
    [Fact]
    public void A_frame_in_pieces_is_sent_and_its_descriptors_come_back()
    {
        _driver.Bring();
        byte[] frame = Frame(300);
        _machine.Memory.TryCopyIn(Data, frame);
        _driver.PutLegacy(100, command: 0);
        _driver.Tell();
        // Without its end nothing of a packet goes.
        _driver.PutLegacy(200, address: Data + 100);
        _driver.Go();
        Assert.Equal(frame, _network.Take().Frame);
        _machine.Memory.TryRead(Sent + 12, out byte first);
        _machine.Memory.TryRead(Sent + 16 + 12, out byte second);
        Assert.Equal((0, 1), (first & 1, second & 1));
        Wait(() => _driver.Interrupts);
        Assert.Equal(SentCause | 2, _driver[0xc0]);
        Assert.Equal((1u, 304u), (_driver[0x4080], _driver[0x4090]));
        Assert.Equal(0u, _driver[0x4080]);
    }

    [Fact]
    public void A_short_frame_is_filled_up_where_the_driver_wants_it()
    {
        _driver.Bring();
        _driver[0x400] = 0x0a;
        _machine.Memory.TryCopyIn(Data, Frame(60));
        _driver.PutLegacy(20);
        _driver.Go();
        Assert.Equal((byte[])[.. Frame(60)[..20], .. new byte[40]], _network.Take().Frame);
    }

    [Fact]
    public void A_legacy_descriptor_inserts_one_checksum()
    {
        _driver.Bring();
        byte[] segment = Segment(100);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(16), 140);
        _machine.Memory.TryCopyIn(Data, segment);
        // The IP header alone (§3.3.3.2): from 14 on to the packet's end would be too much, so that the packet ends there.
        _driver.PutLegacy(34, command: 0x0d, sumAt: 24, sumStart: 14);
        _driver.Go();
        byte[] sent = _network.Take().Frame;
        Assert.Equal(34, sent.Length);
        Assert.True(IsRight([.. sent, .. SumOf(sent)]));
    }

    // Twenty bytes of TCP that make the rest of the check true.
    private static byte[] SumOf(byte[] header)
    {
        byte[] tcp = new byte[20];
        uint sum = 6 + 20;
        for (int i = 26; i < 34; i += 2) sum += BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(i));
        while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
        BinaryPrimitives.WriteUInt16BigEndian(tcp.AsSpan(16), (ushort)~sum);
        return tcp;
    }

    // 8254x §3.3.6, §3.3.7.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_large_segment_is_cut_and_every_piece_is_right(bool isIPv6)
    {
        _driver.Bring();
        int header = isIPv6 ? 74 : 54;
        byte[] segment = Segment(4000, isIPv6);
        _machine.Memory.TryCopyIn(Data, segment);
        _driver.PutContext((byte)(isIPv6 ? 0x05 : 0x07), 4000, header, 1460, isIPv6);
        _driver.PutData(Data, 1000, 0x04, (byte)(isIPv6 ? 2 : 3));
        _driver.PutData(Data + 1000, segment.Length - 1000, 0x0d);
        _driver.Go();
        int done = 0;
        for (int i = 0; i < 3; i++)
        {
            byte[] piece = _network.Take().Frame;
            int part = Math.Min(1460, 4000 - done);
            Assert.Equal(header + part, piece.Length);
            Assert.Equal(segment[(header + done)..(header + done + part)], piece[header..]);
            Assert.True(IsRight(piece), $"The checksums of piece {i} are wrong.");
            Assert.Equal(0xffff_fff0 + (uint)done, BinaryPrimitives.ReadUInt32BigEndian(piece.AsSpan(header - 16)));
            Assert.Equal(i == 2 ? 0x19 : 0x10, piece[header - 7]);
            Assert.Equal(isIPv6 ? 20 + part : 40 + part, BinaryPrimitives.ReadUInt16BigEndian(piece.AsSpan(isIPv6 ? 18 : 16)));
            if (!isIPv6) Assert.Equal((ushort)(0xffff + i), BinaryPrimitives.ReadUInt16BigEndian(piece.AsSpan(18)));
            done += part;
        }
        Assert.Equal(1u, _driver[0x40f8]);
    }

    [Fact]
    public void A_cut_segment_goes_on_where_the_network_took_no_more()
    {
        _driver.Bring();
        byte[] segment = Segment(4000);
        _machine.Memory.TryCopyIn(Data, segment);
        _network.IsFull = true;
        _driver.PutContext(0x07, 4000, 54, 1460);
        _driver.PutData(Data, segment.Length, 0x0d, 3);
        _driver.Tell();
        Wait(() => _driver[0x3810] == 1);
        _network.MakeRoom();
        Wait(() => _driver[0x3810] == 2);
        Assert.Equal((int[])[1514, 1514, 1134], (int[])[.. Enumerable.Range(0, 3).Select(_ => _network.Take().Frame.Length)]);
        Assert.Empty(_network.Sent);
    }

    [Fact]
    public void A_tag_is_put_in_and_taken_out_where_the_driver_wants_it()
    {
        _driver.Bring();
        _driver[0] = 0x4014_0240;
        byte[] frame = Frame(100);
        _machine.Memory.TryCopyIn(Data, frame);
        _driver.PutLegacy(100, command: 0x49, tag: 0x2005);
        _driver.Go();
        byte[] tagged = _network.Take().Frame;
        Assert.Equal((byte[])[.. frame[..12], 0x81, 0, 0x20, 5, .. frame[12..]], tagged);
        _network.Arrive(tagged);
        (byte status, _, int length, ushort tag) = _driver.WaitReceived(0);
        Assert.Equal((0x0f, 104, 0x2005), (status, length, tag));
        Assert.Equal(frame, _driver.Got(0, 100));
        _driver[0] = 0x0014_0240;
        _network.Arrive(tagged);
        Assert.Equal(108, _driver.WaitReceived(1).Length);
        Assert.Equal(tagged, _driver.Got(1, 104));
    }

    // 8254x §3.2.9.
    [Theory]
    [InlineData(0x0800, 6, 2, 0x67)]       // DD, EOP, TCPCS, IPCS
    [InlineData(0x0800, 1, 2, 0x47)]       // ICMP: the IP header alone
    [InlineData(0x86dd, 17, 2, 0x23)]
    [InlineData(0x0806, 6, 2, 0x07)]       // no IP: IXSM
    [InlineData(0x0800, 6, 0, 0x07)]       // nobody verified it
    public void What_is_known_of_checksums_is_said(ushort type, byte protocol, byte flags, byte expected)
    {
        _driver.Bring();
        _driver[0x5000] = 0x300;
        byte[] frame = Frame(200);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), type);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(20), 0);
        frame[type == 0x86dd ? 20 : 23] = protocol;
        _network.Arrive(frame, offload: new PacketOffload(flags, 0, 0, 0, 0, 0));
        (byte status, byte errors, int length, _) = _driver.WaitReceived(0);
        Assert.Equal((expected & ~4, 0, 204), (status & ~4, errors, length));
        Assert.Equal((status & 0x60) == 0, (status & 4) != 0);
        Assert.Equal(frame, _driver.Got(0, 200));
    }

    [Fact]
    public void A_frame_whose_checksum_was_left_open_is_completed()
    {
        _driver.Bring();
        byte[] segment = Segment(100);
        segment[..6].AsSpan().Clear();
        ((byte[])[0x52, 0x54, 0, 1, 2, 3]).CopyTo(segment, 0);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(16), 140);
        // The length belongs into the sum here.
        uint sum = BinaryPrimitives.ReadUInt16BigEndian(segment.AsSpan(50)) + 120u;
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(50), (ushort)((sum & 0xffff) + (sum >> 16)));
        uint ip = 0;
        for (int i = 14; i < 34; i += 2) ip += BinaryPrimitives.ReadUInt16BigEndian(segment.AsSpan(i));
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(24), (ushort)~((ip & 0xffff) + (ip >> 16)));
        _network.Arrive(segment, offload: new PacketOffload(PacketOffload.NeedsChecksum, 0, 0, 0, 34, 16));
        _ = _driver.WaitReceived(0);
        Assert.True(IsRight(_driver.Got(0, segment.Length)));
    }

    // 8254x §3.2.3; §13.4.22 (RCTL.BSIZE, LPE).
    [Fact]
    public void A_long_frame_takes_several_buffers_and_only_where_it_may()
    {
        _driver.Bring();
        byte[] frame = Frame(5000);
        _network.Arrive(frame);
        Wait(() => _network.Waiting() == 0);
        Assert.Equal(1u, _driver[0x40ac]);
        _driver.Bring(0x8022);
        _network.Arrive(frame);
        (byte, byte, int, ushort)[] parts = [_driver.WaitReceived(0), _driver.WaitReceived(1), _driver.WaitReceived(2)];
        Assert.Equal(((byte)0x05, (byte)0, 2048, (ushort)0), parts[0]);
        Assert.Equal(((byte)0x07, (byte)0, 5004 - 4096, (ushort)0), parts[2]);
        Assert.Equal(frame, (byte[])[.. _driver.Got(0, 2048), .. _driver.Got(1, 2048), .. _driver.Got(2, 904)]);
    }

    // 8254x §13.4.22 (RCTL.SECRC).
    [Fact]
    public void A_short_frame_has_60_bytes_and_SECRC_leaves_its_check_out()
    {
        _driver.Bring(0x0400_8002);
        _network.Arrive(Frame(20));
        Assert.Equal(60, _driver.WaitReceived(0).Length);
    }

    // 8254x §3.2.6: head and tail.
    [Fact]
    public void Frames_wait_for_buffers()
    {
        _driver.Bring();
        for (int i = 0; i < RingSize; i++) _network.Arrive(Frame(100 + i));
        _ = _driver.WaitReceived(RingSize - 2);
        Wait(() => _network.Waiting() == 1);
        Assert.Equal(7u, _driver[0x2810]);
        _driver[0x2818] = 0;
        Assert.Equal(111, _driver.WaitReceived(RingSize - 1).Length);
    }

    // 8254x §3.2.1, §13.5.
    [Fact]
    public void The_filter_keeps_out_what_the_driver_does_not_want()
    {
        _driver.Bring();
        byte[] group = [1, 0, 0x5e, 0, 0x12, 0x34], other = [0x52, 0x54, 0, 9, 9, 9], all = [255, 255, 255, 255, 255, 255];
        _network.Arrive(Frame(61, other));
        _network.Arrive(Frame(62, group));
        _network.Arrive(Frame(63, all));
        _network.Arrive(Frame(64));
        Assert.Equal((67, 68), (_driver.WaitReceived(0).Length, _driver.WaitReceived(1).Length));
        // The hash of a group (§13.5.1): bits 47 to 36 of its address.
        _driver[0x5200 + (0x341 >> 5 << 2)] = 1u << (0x341 & 31);
        _network.Arrive(Frame(62, group));
        Assert.Equal((66, 0x87), (_driver.WaitReceived(2).Length, _driver.WaitReceived(2).Status));
        _driver[0x100] = 0x800a;
        _network.Arrive(Frame(61, other));
        Assert.Equal((65, 0x07), (_driver.WaitReceived(3).Length, _driver.WaitReceived(3).Status));
        _driver[0x100] = 0x4_8002;
        byte[] tagged = Frame(70);
        (tagged[12], tagged[13], tagged[14], tagged[15]) = (0x81, 0, 0, 37);
        _network.Arrive(tagged);
        Wait(() => _network.Waiting() == 0);
        _driver[0x5600 + 4] = 1u << 5;
        _network.Arrive(tagged);
        Assert.Equal(74, _driver.WaitReceived(4).Length);
        Assert.Equal(5u, _driver[0x2810]);
    }

    [Fact]
    public void What_is_sent_in_loopback_comes_back_and_goes_nowhere()
    {
        _driver.Bring(0x80c2);
        _machine.Memory.TryCopyIn(Data, Frame(100));
        _driver.PutLegacy(100);
        _driver.Go();
        Assert.Equal(104, _driver.WaitReceived(0).Length);
        Assert.Empty(_network.Sent);
    }

    [Fact]
    public void Nothing_passes_while_the_cable_is_pulled()
    {
        _driver.Bring();
        ((INetworkCard)_driver.Device).SetLink(false);
        _machine.Memory.TryCopyIn(Data, Frame(100));
        _driver.PutLegacy(100);
        _driver.Go();
        _network.Arrive(Frame(100));
        Wait(() => _network.Waiting() == 0);
        Assert.Equal((0u, 0), (_driver[0x2810], _network.Sent.Count));
    }

    // 8254x §13.4.17 to §13.4.21: ICR, ITR, ICS, IMS, IMC.
    [Fact]
    public void Causes_interrupt_as_the_mask_says()
    {
        _driver[0xc8] = 0x10;
        Assert.False(_driver.Interrupts);
        _driver[0xd0] = 0x12;
        Assert.True(_driver.Interrupts);
        Assert.Equal(0x12u, _driver[0xd0]);
        _driver[0xd8] = 0x10;
        Assert.False(_driver.Interrupts);
        _driver[0xd0] = 0x10;
        _driver[0xc0] = 0x10;
        Assert.False(_driver.Interrupts);
        Assert.Equal(0u, _driver[0xc0]);
    }

    // 8254x §13.4.18.
    [Fact]
    public void The_throttle_keeps_the_line_down_for_its_time()
    {
        // 1000 × 256 ns (§13.4.18).
        (_driver[0xc4], _driver[0xd0]) = (1000, 4);
        _driver[0xc8] = 4;
        Assert.True(_driver.Interrupts);
        Assert.Equal(4u, _driver[0xc0]);
        _machine.Timers.Advance(100_000);
        _driver[0xc8] = 4;
        Assert.False(_driver.Interrupts);
        _machine.Timers.Advance(155_999);
        Assert.False(_driver.Interrupts);
        _machine.Timers.Advance(1);
        Assert.True(_driver.Interrupts);
    }

    // A saved state has no time of the throttle's in it, so that the line is up before it is made.
    [Fact]
    public void A_machine_that_stands_keeps_no_line_down()
    {
        (_driver[0xc4], _driver[0xd0]) = (1000, 4);
        _driver[0xc8] = 4;
        _ = _driver[0xc0];
        _driver[0xc8] = 4;
        Assert.False(_driver.Interrupts);
        _driver.Device.Stop();
        Assert.True(_driver.Interrupts);
        _driver.Device.Start();
        Assert.Equal(4u, _driver[0xc0]);
    }

    // 8254x §13.4.30 (RDTR).
    [Fact]
    public void A_received_frame_interrupts_after_its_delay_and_at_most_after_the_absolute_one()
    {
        _driver.Bring();
        (_driver[0x2820], _driver[0x282c]) = (100, 150);
        _network.Arrive(Frame(100));
        _ = _driver.WaitReceived(0);
        Wait(() => _machine.Timers.IsArmed);
        _machine.Timers.Advance(80 * 1024);
        _network.Arrive(Frame(100));
        _ = _driver.WaitReceived(1);
        // The second one begins the delay again, but not beyond 150 units from the first.
        _driver.Device.Stop();
        _driver.Device.Start();
        Assert.True(_driver.Interrupts);
        Assert.Equal(ReceivedCause, _driver[0xc0] & ReceivedCause);
        _network.Arrive(Frame(100));
        _ = _driver.WaitReceived(2);
        Wait(() => _machine.Timers.IsArmed);
        Assert.Equal(0u, _driver[0xc0] & ReceivedCause);
        _machine.Timers.Advance(100 * 1024);
        Assert.Equal(ReceivedCause, _driver[0xc0] & ReceivedCause);
        _network.Arrive(Frame(100));
        _ = _driver.WaitReceived(3);
        Wait(() => _machine.Timers.IsArmed);
        // FPD (§13.4.30).
        _driver[0x2820] = 1u << 31 | 100;
        Assert.Equal(ReceivedCause, _driver[0xc0] & ReceivedCause);
    }

    [Fact]
    public void A_reset_by_the_driver_takes_the_rings_away()
    {
        _driver.Bring();
        _driver[0] = 1u << 26;
        Assert.Equal((0u, 0u, 0u, 0u), (_driver[0x100], _driver[0x400], _driver[0x2808], _driver[0xd0]));
        Assert.Equal(0x0014_0240u, _driver[0]);
        Assert.Equal(0x8000_0302u, _driver[0x5404]);
        _driver.Bring();
        _network.Arrive(Frame(100));
        Assert.Equal(104, _driver.WaitReceived(0).Length);
    }

    // 8254x §13.3.
    [Fact]
    public void The_registers_are_behind_two_ports_too()
    {
        _machine.Out(_driver.Io, 0x5404, 4);
        Assert.Equal(0x5404u, _machine.In(_driver.Io, 4));
        Assert.Equal(0x8000_0302u, _machine.In((ushort)(_driver.Io + 4), 4));
        _machine.Out((ushort)(_driver.Io + 4), 0x8000_1234, 4);
        Assert.Equal(0x8000_1234u, _driver[0x5404]);
    }

    // PCI Local Bus 3.0 §6.2.2.
    [Fact]
    public void A_function_that_is_no_bus_master_touches_nothing()
    {
        _driver.Bring();
        _machine.WriteConfig(1, 4, 3, 2);
        _machine.Memory.TryCopyIn(Data, Frame(100));
        _driver.PutLegacy(100);
        _driver.Tell();
        _network.Arrive(Frame(100));
        Wait(() => _network.Waiting() == 0);
        Assert.Equal((0u, 0u), (_driver[0x3810], _driver[0x2810]));
        _machine.WriteConfig(1, 4, 7, 2);
        Wait(() => _driver[0x3810] == 1);
        Assert.Equal(100, _network.Take().Frame.Length);
    }
}
