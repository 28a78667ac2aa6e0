using System;
using System.Buffers.Binary;
using System.Linq;
using Hutch.Devices;
using Hutch.Model.Machine;
using Hutch.Net;
using Hutch.Tests.Devices.Virtio;
using Xunit;
using static Hutch.Tests.Devices.Ethernet.E1000Driver;

namespace Hutch.Tests.Devices.Ethernet;

/// <summary>The RTL8139C+ against its data sheet (Realtek RTL8139C+ 1.6), with its descriptors and as the RTL8139 of old.</summary>
public sealed class Rtl8139Tests : IDisposable
{
    private const ulong SendRing = 0x10_0000, ReceiveRing = 0x11_0000, Buffers = 0x20_0000, Bytes = 0x30_0000;
    private const uint Own = 1u << 31, End = 1u << 30, First = 1u << 29, Last = 1u << 28;
    private const int Count = 4;
    private const ushort ReceiveOk = 1, SendOk = 4, NoRoom = 0x10, Link = 0x20;

    private readonly TestMachine _machine = new();
    private readonly FakeNetwork _network = new();
    private readonly IDevice _device;
    private readonly ulong _base;
    private int _next;

    public Rtl8139Tests()
    {
        _machine.Network = _network;
        _device = DeviceFactories.Create(new Rtl8139Config("nic0", "52:54:00:01:02:03", new NetBackendConfig(NetBackendKind.None)), _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        _base = _machine.ReadConfig(1, 0x14) & ~0xfu;
        _device.Start();
    }

    public void Dispose()
    {
        _device.Dispose();
        _machine.Dispose();
    }

    private uint Get(int register, int width = 4) => (uint)_machine.Load(_base + (ulong)register, width);

    private void Set(int register, uint value, int width = 4) => _machine.Store(_base + (ulong)register, value, width);

    private bool Interrupts => Enumerable.Range(16, 8).Any(gsi => _machine.Gsi[gsi]);

    // C+ mode: rings of four descriptors each way.
    private void Bring(uint plus = 3, uint config = 0x0a)
    {
        Set(0x37, 0x10, 1);
        Assert.Equal(0u, Get(0x37, 1) & 0x1c);
        _next = 0;
        for (int i = 0; i < Count; i++)
        {
            _machine.Memory.TryWrite(SendRing + ((ulong)i * 16), i == Count - 1 ? End : 0);
            GiveBuffer(i);
        }
        Set(0xe0, plus, 2);
        Set(0x20, (uint)SendRing);
        Set(0x24, 0);
        Set(0xe4, (uint)ReceiveRing);
        Set(0xe8, 0);
        Set(0x37, 0x0c, 1);
        Set(0x44, config);
        Set(0x3c, 0xffff, 2);
    }

    private void GiveBuffer(int index, uint size = 1600)
    {
        _machine.Memory.TryWrite(ReceiveRing + ((ulong)index * 16) + 8, Buffers + ((ulong)index * 0x800));
        _machine.Memory.TryWrite(ReceiveRing + ((ulong)index * 16), Own | size | (index == Count - 1 ? End : 0));
    }

    private void Put(ulong address, uint order, uint tag = 0)
    {
        ulong at = SendRing + ((ulong)_next * 16);
        _machine.Memory.TryWrite(at + 8, address);
        _machine.Memory.TryWrite(at + 4, tag);
        _machine.Memory.TryWrite(at, Own | order | (_next == Count - 1 ? End : 0));
        _next = (_next + 1) % Count;
    }

    private void Go()
    {
        Set(0xd9, 0x40, 1);
        int last = (_next + Count - 1) % Count;
        Wait(() => _machine.Memory.TryRead(SendRing + ((ulong)last * 16), out uint order) && (order & Own) == 0);
    }

    private (uint Order, uint Tag) WaitReceived(int index)
    {
        uint order = Own, tag = 0;
        Wait(() => _machine.Memory.TryRead(ReceiveRing + ((ulong)index * 16), out order) && (order & Own) == 0);
        _machine.Memory.TryRead(ReceiveRing + ((ulong)index * 16) + 4, out tag);
        return (order, tag);
    }

    private byte[] Got(ulong address, int length)
    {
        byte[] bytes = new byte[length];
        _machine.Memory.TryCopyOut(address, bytes);
        return bytes;
    }

    private ushort ReadWord(uint word)
    {
        Set(0x50, 0x80, 1);
        Set(0x50, 0x88, 1);
        for (int i = 10; i >= 0; i--)
        {
            uint bit = (0b110u << 6 | word) >> i & 1;
            Set(0x50, 0x88 | bit << 1, 1);
            Set(0x50, 0x8c | bit << 1, 1);
        }
        Set(0x50, 0x88, 1);
        ushort value = 0;
        for (int i = 0; i < 16; i++)
        {
            Set(0x50, 0x8c, 1);
            value = (ushort)(value << 1 | (int)(Get(0x50, 1) & 1));
            Set(0x50, 0x88, 1);
        }
        Set(0x50, 0, 1);
        return value;
    }

    [Fact]
    public void The_function_says_that_it_is_an_RTL8139C_plus()
    {
        Assert.Equal((0x8139_10ecu, 0x0200_0020u), (_machine.ReadConfig(1, 0), _machine.ReadConfig(1, 8)));
        Assert.Equal(0x7480_0000u, Get(0x40) & 0x7cc0_0000);
        Assert.Equal((0x0100_5452u, 0x0302u), (Get(0), Get(4, 2)));
        ushort io = (ushort)(_machine.ReadConfig(1, 0x10) & ~3u);
        Assert.Equal(0x0100_5452u, _machine.In(io, 4));
    }

    [Fact]
    public void The_EEPROM_has_ids_and_the_address()
    {
        Assert.Equal((0x8129, 0x10ec, 0x8139), (ReadWord(0), ReadWord(1), ReadWord(2)));
        Assert.Equal((0x5452, 0x0100, 0x0302), (ReadWord(7), ReadWord(8), ReadWord(9)));
    }

    // RTL8139C+ §6.5: a reset by command leaves it.
    [Fact]
    public void The_address_changes_only_behind_its_lock()
    {
        Set(0, 0x1234_5678);
        Assert.Equal(0x0100_5452u, Get(0));
        Set(0x50, 0xc0, 1);
        Set(0, 0x1234_5678);
        Assert.Equal(0x1234_5678u, Get(0));
        Set(0x37, 0x10, 1);
        Assert.Equal(0x1234_5678u, Get(0));
        _device.Stop();
        _device.Reset();
        Assert.Equal(0x0100_5452u, Get(0));
    }

    // RTL8139C+ §6.6: written ones clear.
    [Fact]
    public void The_cable_is_seen_and_told_of()
    {
        Assert.Equal((0u, 4u), (Get(0x58, 1) & 4, Get(0x64, 2) & 4));
        Set(0x3c, Link, 2);
        ((INetworkCard)_device).SetLink(false);
        Assert.True(Interrupts);
        Assert.Equal((Link, 4u, 0u), (Get(0x3e, 2), Get(0x58, 1) & 4, Get(0x64, 2) & 4));
        Set(0x3e, Link, 2);
        Assert.False(Interrupts);
        Set(0x62, 0x1200, 2);
        Assert.Equal((0x1000u, (uint)Link), (Get(0x62, 2), Get(0x3e, 2)));
    }

    // RTL8139C+ §9.1.
    [Fact]
    public void A_frame_in_two_descriptors_is_sent()
    {
        Bring();
        byte[] frame = Frame(300);
        _machine.Memory.TryCopyIn(Data, frame);
        Put(Data, First | 100);
        Put(Data + 100, Last | 200);
        Go();
        Assert.Equal(frame, _network.Take().Frame);
        Wait(() => Interrupts);
        Assert.Equal(SendOk, Get(0x3e, 2));
        // The ring ends where its last descriptor says.
        for (int i = 0; i < 3; i++) Put(Data, First | Last | 100u);
        Go();
        for (int i = 0; i < 3; i++) Assert.Equal(100, _network.Take().Frame.Length);
    }

    [Theory]
    [InlineData(6, 1u << 18 | 1u << 16)]
    [InlineData(17, 1u << 18 | 1u << 17)]
    public void Checksums_are_put_in_where_the_driver_asks_for_them(byte protocol, uint sums)
    {
        Bring();
        byte[] frame = Segment(101);
        frame[23] = protocol;
        int length = protocol == 6 ? frame.Length - 34 : 50;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(16), (ushort)(20 + length));
        if (protocol == 17) BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(38), (ushort)length);
        _machine.Memory.TryCopyIn(Data, frame);
        Put(Data, First | Last | sums | (uint)frame.Length);
        Go();
        byte[] sent = _network.Take().Frame;
        // A datagram may be shorter than its frame: its sum ends with it.
        Assert.True(IsRight(sent[..(34 + length)], protocol));
    }

    [Fact]
    public void A_large_segment_is_cut_and_every_piece_is_right()
    {
        Bring();
        byte[] segment = Segment(4000);
        _machine.Memory.TryCopyIn(Data, segment);
        Put(Data, First | 1u << 27 | 1460u << 16 | 1000);
        Put(Data + 1000, Last | 1u << 27 | 1460u << 16 | (uint)(segment.Length - 1000));
        Go();
        // What was the size of segments is the place of errors in a descriptor that is given back.
        _machine.Memory.TryRead(SendRing, out uint order);
        Assert.Equal(First | 1u << 27 | 1000, order);
        int done = 0;
        for (int i = 0; i < 3; i++)
        {
            byte[] piece = _network.Take().Frame;
            int part = Math.Min(1460, 4000 - done);
            Assert.Equal(segment[(54 + done)..(54 + done + part)], piece[54..]);
            Assert.True(IsRight(piece), $"The checksums of piece {i} are wrong.");
            done += part;
        }
    }

    [Fact]
    public void A_tag_is_put_in_and_taken_out_where_the_driver_wants_it()
    {
        Bring(plus: 0x43);
        byte[] frame = Frame(100);
        _machine.Memory.TryCopyIn(Data, frame);
        Put(Data, First | Last | 100, tag: 1u << 17 | 0x0520);
        Go();
        byte[] tagged = _network.Take().Frame;
        Assert.Equal((byte[])[.. frame[..12], 0x81, 0, 0x20, 5, .. frame[12..]], tagged);
        _network.Arrive(tagged);
        (uint order, uint tag) = WaitReceived(0);
        Assert.Equal((104u, 1u << 16 | 0x0520), (order & 0x1fff, tag));
        Assert.Equal(frame, Got(Buffers, 100));
    }

    // RTL8139C+ §9.2.
    [Theory]
    [InlineData(6, 2, 1)]
    [InlineData(17, 2, 2)]
    [InlineData(1, 2, 3)]
    [InlineData(6, 0, 0)]
    public void What_is_known_of_checksums_is_said(byte protocol, byte flags, uint expected)
    {
        Bring(plus: 0x23);
        byte[] frame = Frame(200);
        (frame[12], frame[13], frame[20], frame[21], frame[23]) = (8, 0, 0, 0, protocol);
        _network.Arrive(frame, offload: new PacketOffload(flags, 0, 0, 0, 0, 0));
        (uint order, _) = WaitReceived(0);
        Assert.Equal(First | Last | 1u << 25 | expected << 16 | 204, order);
        Assert.Equal(frame, Got(Buffers, 200));
        Assert.Equal(ReceiveOk, Get(0x3e, 2) & ReceiveOk);
    }

    [Fact]
    public void Frames_wait_for_descriptors_until_the_driver_has_looked()
    {
        Bring();
        for (int i = 0; i <= Count; i++) _network.Arrive(Frame(100 + i));
        Assert.Equal(End | First | Last | 1u << 25 | 107, WaitReceived(Count - 1).Order);
        Wait(() => (Get(0x3e, 2) & NoRoom) != 0);
        GiveBuffer(0);
        Set(0x3e, 0xffff, 2);
        Assert.Equal(108u, WaitReceived(0).Order & 0x1fff);
    }

    [Fact]
    public void A_frame_that_a_buffer_does_not_hold_is_lost()
    {
        Bring();
        GiveBuffer(0, size: 100);
        _network.Arrive(Frame(97));
        _network.Arrive(Frame(96));
        Assert.Equal(100u, WaitReceived(0).Order & 0x1fff);
        Assert.Equal(0x40u, Get(0x3e, 2) & 0x40);
    }

    // RTL8139C+ §6.2, §6.11.
    [Fact]
    public void The_filter_keeps_out_what_the_driver_does_not_want()
    {
        Bring();
        byte[] group = [1, 0, 0x5e, 0, 0, 1], other = [0x52, 0x54, 0, 9, 9, 9];
        _network.Arrive(Frame(61, other));
        _network.Arrive(Frame(62, group));
        _network.Arrive(Frame(63, [255, 255, 255, 255, 255, 255]));
        Assert.Equal(First | Last | 1u << 24 | 67, WaitReceived(0).Order);
        // Linux's ether_crc of 01:00:5e:00:00:01 is 0x7f ends in bit 31: 0b011111 in its six highest.
        Set(0x44, 0x0e);
        Set(0x08 + (31 / 8), 1u << (31 % 8), 1);
        _network.Arrive(Frame(62, group));
        Assert.Equal(First | Last | 1u << 26 | 66, WaitReceived(1).Order);
        Set(0x44, 0x0b);
        _network.Arrive(Frame(61, other));
        Assert.Equal(First | Last | 65u, WaitReceived(2).Order);
    }

    // RTL8139C+ §6.4.
    [Fact]
    public void The_counters_are_written_to_memory()
    {
        Bring();
        _machine.Memory.TryCopyIn(Data, Frame(100));
        Put(Data, First | Last | 100);
        Go();
        _network.Arrive(Frame(100));
        _ = WaitReceived(0);
        Set(0x14, 0);
        Set(0x10, (uint)Data | 8);
        Assert.Equal(0u, Get(0x10) & 8);
        Assert.Equal((1, 1, 1), (Got(Data, 64)[0], Got(Data, 64)[8], Got(Data, 64)[40]));
    }

    // RTL8139C+ §5.6.
    [Fact]
    public void In_C_mode_four_pairs_of_registers_send()
    {
        Set(0x37, 0x0c, 1);
        Set(0x3c, SendOk, 2);
        for (uint i = 0; i < 6; i++)
        {
            _machine.Memory.TryCopyIn(Data, Frame(100 + (int)i));
            Set(0x20 + (int)(i % 4 * 4), (uint)Data);
            Set(0x10 + (int)(i % 4 * 4), 100 + i);
            Wait(() => (Get(0x10 + (int)(i % 4 * 4)) & 0xa000) == 0xa000);
            Assert.Equal(Frame(100 + (int)i), _network.Take().Frame);
        }
        Assert.True(Interrupts);
    }

    // RTL8139C+ §5.7.
    [Fact]
    public void In_C_mode_frames_lie_in_a_ring_one_behind_the_other()
    {
        Set(0x30, (uint)Bytes);
        Set(0x37, 0x0c, 1);
        Set(0x44, 0x0a);
        Assert.Equal(1u, Get(0x37, 1) & 1);
        uint at = 0;
        for (int i = 0; i < 40; i++)
        {
            byte[] frame = Frame(1001 + i);
            _network.Arrive(frame);
            Wait(() => (Get(0x37, 1) & 1) == 0);
            byte[] ring = Got(Bytes, 8192), whole = [.. ring[(int)at..], .. ring[..(int)at]];
            Assert.Equal((0x4001, 1005 + i), (BinaryPrimitives.ReadUInt16LittleEndian(whole), BinaryPrimitives.ReadUInt16LittleEndian(whole.AsSpan(2))));
            Assert.Equal(frame, whole[4..(5 + 1000 + i)]);
            at = (at + 4 + 1005 + (uint)i + 3 & ~3u) % 8192;
            Assert.Equal(at, Get(0x3a, 2));
            Set(0x38, (at - 16) & 0xffff, 2);
            Assert.Equal(1u, Get(0x37, 1) & 1);
        }
    }

    // RTL8139C+ §5.7, §6.10.
    [Fact]
    public void In_C_mode_frames_wait_for_room()
    {
        Set(0x30, (uint)Bytes);
        Set(0x37, 0x0c, 1);
        Set(0x44, 0x0a);
        for (int i = 0; i < 6; i++) _network.Arrive(Frame(1500));
        Wait(() => (Get(0x3e, 2) & NoRoom) != 0);
        Assert.Equal(5u * 1508, Get(0x3a, 2));
        Set(0x38, 1508 - 16, 2);
        Wait(() => Get(0x3a, 2) == 6 * 1508 % 8192);
    }

    // RTL8139C+ §6.7.
    [Fact]
    public void What_is_sent_in_loopback_comes_back_and_goes_nowhere()
    {
        Bring();
        Set(0x40, 6u << 16);
        _machine.Memory.TryCopyIn(Data, Frame(100));
        Put(Data, First | Last | 100);
        Go();
        Assert.Equal(104u, WaitReceived(0).Order & 0x1fff);
        Assert.Empty(_network.Sent);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_register_accesses_leave_a_card_that_works(int seed)
    {
        Random random = new(seed);
        int[] often = [0x10, 0x14, 0x20, 0x24, 0x30, 0x37, 0x38, 0x3c, 0x3e, 0x40, 0x44, 0x50, 0x62, 0xd9, 0xe0, 0xe4];
        for (int i = 0; i < 1_000_000; i++)
        {
            int width = 1 << random.Next(4), register = random.Next(3) == 0 ? random.Next(249) : often[random.Next(often.Length)];
            if (i % 1000 == 0) _network.Arrive(Frame(60 + random.Next(2000)));
            if (random.Next(4) == 0) _ = _machine.Load(_base + (ulong)register, width);
            else _machine.Store(_base + (ulong)register, random.Next(3) switch { 0 => (ulong)random.Next(0x10_0000, 0x1ff_0000) & ~0xffUL, 1 => 1UL << random.Next(64), _ => (ulong)random.NextInt64() }, width);
            if (i % 4096 == 0) while (_network.Sent.TryTake(out _)) { }
        }
        AssertWorks();
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public void Random_descriptors_leave_a_card_that_works(int seed)
    {
        Random random = new(seed);
        for (int round = 0; round < 2_000; round++)
        {
            Bring(plus: (uint)random.Next(256) | 3, config: (uint)random.Next(16) | (uint)random.Next(4) << 11);
            for (int i = 0; i < Count; i++)
            {
                Put(random.Next(8) == 0 ? (ulong)random.NextInt64() : (ulong)random.Next(1 << 20, 32 << 20), (uint)random.NextInt64() & (random.Next(2) == 0 ? uint.MaxValue : 0x3fff_07ff), (uint)random.NextInt64());
                if (random.Next(4) == 0) _machine.Memory.TryWrite(Data + (ulong)random.Next(4096), random.NextInt64());
                if (random.Next(8) == 0) _machine.Memory.TryWrite(ReceiveRing + ((ulong)i * 16) + 8, random.NextInt64());
            }
            Set(0xd9, 0x40, 1);
            _network.Arrive(Frame(60 + random.Next(3000)));
            while (_network.Sent.TryTake(out _)) { }
        }
        AssertWorks();
    }

    private void AssertWorks()
    {
        _device.Stop();
        _device.Reset();
        _device.Start();
        Bring(config: 0x0b);
        while (_network.Sent.TryTake(out _)) { }
        _machine.Memory.TryCopyIn(Data, Frame(77));
        Put(Data, First | Last | 77);
        Go();
        Assert.Equal(Frame(77), _network.Take().Frame);
    }
}
