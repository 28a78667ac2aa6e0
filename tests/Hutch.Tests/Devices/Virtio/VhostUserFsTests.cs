using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using Hutch.Core.State;
using Hutch.Dev.DeviceFuzz;
using Hutch.Devices;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>The device of virtio 1.2 §5.11 by its queues, with a back end (QEMU docs/interop/vhost-user) that the test is.</summary>
public sealed class VhostUserFsTests : IDisposable
{
    private const ulong Features = (1UL << 32) | (1UL << 29), Sent = 0x20_0000, Received = 0x22_0000;
    private const int Priority = 0, Requests = 1, HeaderBytes = 16, IoError = 5;

    private readonly List<IDisposable> _made = [];
    private TestMachine _machine = null!;
    private IDevice _device = null!;
    private VirtioDriver _driver = null!;

    public void Dispose()
    {
        foreach (IDisposable one in _made) one.Dispose();
    }

    [Fact]
    public void Says_its_tag_and_how_many_queues_take_requests()
    {
        // Virtio 1.2 §5.11.1, §5.11.4.
        Make(new VhostPeer());
        Assert.Equal(0x105a_1af4u, _machine.ReadConfig(1, 0));
        Assert.Equal(0UL, _driver.OfferedFeatures() & 0xff_ffff);
        Assert.Equal("files" + new string('\0', 31), Encoding.UTF8.GetString([.. Enumerable.Range(0, 36).Select(at => (byte)_machine.Load(_driver.Device + (ulong)at, 1))]));
        Assert.Equal(1UL, _machine.Load(_driver.Device + 36, 4));
        Assert.Equal(0UL, _machine.Load(_driver.Device + 40, 8));
    }

    [Fact]
    public void A_tag_may_take_all_of_its_room()
    {
        Make(new VhostPeer(), tag: "0123456789012345678901234567890123é");
        Assert.Equal(0xa9UL, _machine.Load(_driver.Device + 35, 1));
        Assert.Equal(1UL, _machine.Load(_driver.Device + 36, 4));
    }

    [Fact]
    public void The_back_end_is_set_up_once_and_gets_memory_of_its_own()
    {
        VhostPeer peer = new();
        Make(peer);
        uint[] ring = [8, 10, 9, 13, 12, 18];
        Assert.Equal((uint[])[1, 15, 16, 17, 3, 2, 5, .. ring, .. ring], peer.Requests);
        Assert.Equal((1UL << 32) | (1UL << 30), peer.Accepted);
        Assert.Equal((int[])[128, 128], peer.Rings.Values.Select(static one => one.Size));
        Assert.All(peer.Rings.Values, static one => Assert.True(one.IsEnabled));
        Assert.InRange(peer.MemoryBytes, 8 << 20, 9 << 20);
        int requests = peer.Requests.Count;
        _driver.Bring(2, Features);
        Assert.Equal(requests, peer.Requests.Count);
        _device.Dispose();
        Assert.True(peer.IsClosed);
    }

    [Theory]
    [InlineData(1UL << 32, 0UL)]
    [InlineData(1UL << 32 | 1UL << 30, 0UL)]
    [InlineData(1UL << 32 | 1UL << 30, 1UL)]
    [InlineData(ulong.MaxValue, ulong.MaxValue)]
    public void Back_ends_that_know_less_or_more_serve_all_the_same(ulong features, ulong protocol)
    {
        VhostPeer peer = new() { Features = features, Protocol = protocol };
        Make(peer);
        Assert.Equal(features & ((1UL << 32) | (1UL << 30)), peer.Accepted);
        Submit(Requests, 7);
        Answer(peer, Requests, Take(peer, Requests), "yes");
        Assert.Equal("yes", Text(Received + 4, 3));
    }

    [Fact]
    public void A_request_and_its_answer_are_copied_byte_for_byte()
    {
        VhostPeer peer = new();
        Make(peer);
        byte[] asked = Bytes(1, 10_000);
        _machine.Memory.TryCopyIn(Sent + 100, asked);
        _driver.Submit(Requests, (Sent + 100, 40, false), (Sent + 140, 9_960, false), (Received, HeaderBytes, true), (Received + 0x1000, 0x5000, true));
        ushort head = Take(peer, Requests);
        Assert.Equal(asked, Read(peer, Requests, head));
        byte[] answer = Bytes(2, HeaderBytes + 9_000);
        _machine.Memory.TryCopyIn(Received + 0x1000 + 9_000, "kept"u8);
        Give(peer, Requests, head, answer);
        Assert.Equal((uint)answer.Length, _driver.WaitUsed(Requests));
        Assert.Equal(answer, (byte[])[.. Copy(Received, HeaderBytes), .. Copy(Received + 0x1000, 9_000)]);
        // What was not said to be written is not.
        Assert.Equal("kept", Text(Received + 0x1000 + 9_000, 4));
    }

    [Fact]
    public void Buffers_keep_their_cuts_and_their_places_in_a_page_and_whole_pages_come_together()
    {
        VhostPeer peer = new();
        Make(peer);
        _driver.Submit(Requests, (Sent + 0x123, 40, false), (Sent + 0x1456, 60, false), (Sent + 0x8000, 4096, false), (Sent + 0x3000, 4096, false), (Received + 0x77, 16, true), (Received + 0x1000, 4096, true), (Received + 0x2000, 9, true));
        List<(ulong Address, int Length, bool IsWritable)> buffers = peer.Chain(Requests, Take(peer, Requests));
        Assert.Equal(((ulong, int, bool)[])[(0x123UL, 40, false), (0x456UL, 60, false), (0UL, 8192, false), (0x77UL, 16, true), (0UL, 4105, true)],
            buffers.Select(static one => (one.Address % 4096, one.Length, one.IsWritable)));
    }

    [Fact]
    public void Requests_come_back_in_the_order_in_which_they_are_done()
    {
        VhostPeer peer = new();
        Make(peer);
        for (byte i = 0; i < 4; i++) Submit(Requests, i, Received + (0x1000UL * i));
        ushort[] heads = [.. Enumerable.Range(0, 4).Select(_ => Take(peer, Requests))];
        foreach (int i in (int[])[2, 0, 3, 1])
        {
            Assert.Equal(i, Read(peer, Requests, heads[i])[0]);
            Give(peer, Requests, heads[i], Encoding.ASCII.GetBytes($"the {i}th"));
            Assert.Equal(7u, _driver.WaitUsed(Requests));
            Assert.Equal($"the {i}th", Text(Received + (0x1000UL * (uint)i), 7));
        }
    }

    [Fact]
    public void The_queue_of_high_priority_does_not_wait_for_the_other()
    {
        // Virtio 1.2 §5.11.6.2.1.
        VhostPeer peer = new();
        Make(peer);
        // Two of five megabytes do not find room at once.
        for (int i = 0; i < 2; i++) _driver.Submit(Requests, (Sent, 5 << 20, false), (Received, 64, true));
        ushort first = Take(peer, Requests);
        _driver.Submit(Priority, (Sent, 48, false));
        Give(peer, Priority, Take(peer, Priority), []);
        Assert.Equal(0u, _driver.WaitUsed(Priority));
        Assert.False(peer.TryTake(Requests, out _));
        Give(peer, Requests, first, "now"u8);
        Assert.Equal(3u, _driver.WaitUsed(Requests));
        Give(peer, Requests, Take(peer, Requests), "done"u8);
        Assert.Equal(4u, _driver.WaitUsed(Requests));
    }

    [Fact]
    public void A_request_that_is_larger_than_all_room_fails()
    {
        VhostPeer peer = new();
        Make(peer);
        _machine.Memory.TryWrite(Sent + 8, 0x1234_5678_9abcUL);
        _driver.Submit(Requests, (Sent, 9 << 20, false), (Received, 64, true));
        AssertRefused(0x1234_5678_9abc);
        _driver.Submit(Requests, (Sent, 40, false), (Sent, 9 << 20, true));
        Assert.Equal((uint)HeaderBytes, _driver.WaitUsed(Requests));
        // No answer is expected, or there is no room for one.
        _driver.Submit(Requests, (Sent, 9 << 20, false));
        Assert.Equal(0u, _driver.WaitUsed(Requests));
        Assert.False(peer.TryTake(Requests, out _));
        Assert.Empty(_machine.Platform.Failures);
    }

    [Fact]
    public void Requests_fail_when_the_back_end_has_gone_and_it_is_said_once()
    {
        VhostPeer peer = new();
        Make(peer);
        ushort[] heads = new ushort[2];
        for (byte i = 0; i < 2; i++)
        {
            Submit(Requests, i, Received + (0x1000UL * i));
            heads[i] = Take(peer, Requests);
        }
        // What it had done before it went is whole.
        peer.Write(peer.Chain(Requests, heads[0])[1].Address, "done"u8);
        peer.Use(Requests, heads[0], 4);
        peer.HasLeft = true;
        Submit(Requests, 3, Received + 0x2000);
        Assert.Equal(4u, _driver.WaitUsed(Requests));
        Assert.Equal("done", Text(Received, 4));
        for (int i = 0; i < 2; i++) Assert.Equal((uint)HeaderBytes, _driver.WaitUsed(Requests));
        Assert.Equal(-IoError, (int)Load32(Received + 0x1004));
        Assert.Equal(-IoError, (int)Load32(Received + 0x2004));
        _driver.Bring(2, Features);
        _machine.Memory.TryWrite(Sent + 8, 77UL);
        _driver.Submit(Requests, (Sent, 40, false), (Received, 64, true));
        AssertRefused(77);
        (string sentence, bool pause) = Assert.Single(_machine.Platform.Failures);
        Assert.Equal("The back end of 'files' at /f has gone; what the guest asks of it fails from now on.", sentence);
        Assert.False(pause);
    }

    [Theory]
    [InlineData("a chain that it does not have")]
    [InlineData("a chain that cannot be")]
    [InlineData("more bytes than there are")]
    [InlineData("more chains than it has")]
    [InlineData("an index that goes back")]
    [InlineData("a chain of the other queue")]
    public void A_back_end_that_breaks_the_rules_of_its_rings_gets_no_more_requests(string what)
    {
        VhostPeer peer = new();
        Make(peer);
        _machine.Memory.TryWrite(Sent + 8, 99UL);
        _driver.Submit(Requests, (Sent, 40, false), (Received, 64, true));
        ushort head = Take(peer, Requests);
        switch (what)
        {
            case "a chain that it does not have": peer.Use(Requests, head + 1u, 0); break;
            case "a chain that cannot be": peer.Use(Requests, uint.MaxValue, 0); break;
            case "more bytes than there are": peer.Use(Requests, head, 65); break;
            case "more chains than it has": peer.SetUsed(Requests, 2); break;
            case "an index that goes back": peer.SetUsed(Requests, ushort.MaxValue); break;
            default: peer.Use(Priority, head, 0); break;
        }
        peer.Rings[Requests].Wake();
        AssertRefused(99);
        Assert.Contains("does not keep the rules of its rings", Assert.Single(_machine.Platform.Failures).Sentence, StringComparison.Ordinal);
        _driver.Submit(Requests, (Sent, 40, false), (Received, 64, true));
        AssertRefused(99);
        Assert.False(peer.TryTake(Requests, out _));
    }

    [Fact]
    public void A_chain_that_is_done_twice_and_a_word_that_nobody_asked_for_break_the_rules()
    {
        VhostPeer peer = new();
        Make(peer);
        Submit(Requests, 1);
        ushort head = Take(peer, Requests);
        Give(peer, Requests, head, "once"u8);
        Assert.Equal(4u, _driver.WaitUsed(Requests));
        Submit(Priority, 1, Received + 0x1000);
        peer.Say(0);
        _driver.Kick(Requests);
        Assert.Equal((uint)HeaderBytes, _driver.WaitUsed(Priority));
        Assert.Single(_machine.Platform.Failures);
        Give(peer, Requests, head, "twice"u8);
        Submit(Requests, 2);
        Assert.Equal((uint)HeaderBytes, _driver.WaitUsed(Requests));
        Assert.Single(_machine.Platform.Failures);
    }

    [Fact]
    public void What_the_back_end_has_at_a_reset_comes_back_to_nobody()
    {
        VhostPeer peer = new();
        Make(peer);
        Submit(Requests, 1);
        ushort old = Take(peer, Requests);
        _driver.Bring(2, Features);
        _machine.Memory.TryCopyIn(Received, "untouched"u8);
        Submit(Requests, 2, Received + 0x1000);
        ushort young = Take(peer, Requests);
        Assert.NotEqual(old, young);
        Give(peer, Requests, old, "overwritten"u8);
        Give(peer, Requests, young, "new"u8);
        Assert.Equal(3u, _driver.WaitUsed(Requests));
        Assert.False(_driver.TryTakeUsed(Requests, out _, out _));
        Assert.Equal("untouched", Text(Received, 9));
        Assert.Equal("new", Text(Received + 0x1000, 3));
    }

    [Fact]
    public void A_machine_that_is_stopped_is_not_written_to()
    {
        VhostPeer peer = new();
        Make(peer);
        Submit(Requests, 1);
        ushort head = Take(peer, Requests);
        _device.Stop();
        Give(peer, Requests, head, "meanwhile"u8);
        Assert.False(_driver.TryTakeUsed(Requests, out _, out _));
        Assert.NotEqual("meanwhile", Text(Received, 9));
        _device.Start();
        Assert.Equal(9u, _driver.WaitUsed(Requests));
        Assert.Equal("meanwhile", Text(Received, 9));
    }

    [Fact]
    public void Many_requests_of_all_lengths_find_room_again_and_again()
    {
        VhostPeer peer = new();
        Make(peer);
        Random random = new(1);
        for (int round = 0; round < 300; round++)
        {
            byte[] asked = Bytes(round, random.Next(1, 200_000));
            uint first = (uint)random.Next(1, asked.Length + 1);
            ulong start = Sent + (ulong)random.Next(4096);
            _machine.Memory.TryCopyIn(start, asked);
            if (first == asked.Length) _driver.Submit(Requests, (start, first, false), (Received + 0x10_0000, (uint)asked.Length, true));
            else _driver.Submit(Requests, (start, first, false), (start + first, (uint)asked.Length - first, false), (Received + 0x10_0000, (uint)asked.Length, true));
            ushort head = Take(peer, Requests);
            byte[] heard = Read(peer, Requests, head);
            Assert.Equal(asked, heard);
            Array.Reverse(heard);
            Give(peer, Requests, head, heard);
            Assert.Equal((uint)heard.Length, _driver.WaitUsed(Requests));
            Assert.Equal(heard, Copy(Received + 0x10_0000, heard.Length));
        }
    }

    [Fact]
    public void Its_state_can_be_neither_saved_nor_restored()
    {
        Make(new VhostPeer());
        _device.Stop();
        Assert.Contains("a part of its state is in the program at /f", Assert.Throws<StateException>(() => _device.Exchange(new StateWriter("files"))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1 << 30, "knows no virtio 1")]
    [InlineData(17, "has 1 queues where 2 are needed")]
    [InlineData(5, "refuses SetMemoryTable")]
    [InlineData(12, "closes the connection at SetRingKick")]
    [InlineData(13, "does not answer SetRingCall within 10 seconds")]
    [InlineData(15, "answers GetProtocolFeatures with something else")]
    [InlineData(16, "answers GetQueueCount with something else")]
    public void A_back_end_that_cannot_be_used_is_refused_with_its_cause(int where, string cause)
    {
        VhostPeer peer = null!;
        peer = new VhostPeer
        {
            Features = where == 1 << 30 ? 1UL << 30 : (1UL << 32) | (1UL << 30),
            QueueCount = where == 17 ? 1 : 2,
            Answer = (request, answer) =>
            {
                if (request != (uint)where) return answer;
                if (request == 12) peer.HasLeft = true;
                return request switch { 5 => VhostPeer.Message(5, BitConverter.GetBytes(1UL)), 12 or 13 => null, 15 => VhostPeer.Message(16, new byte[8]), 16 => [1, 2, 3], _ => answer };
            },
        };
        string message = Assert.Throws<ConfigException>(() => Make(peer)).Message;
        Assert.Contains($"The device 'files' has no back end: the program at /f {cause}.", message, StringComparison.Ordinal);
        Assert.True(peer.IsClosed);
    }

    [Fact]
    public void Where_nobody_listens_it_is_said_how_to_start_one()
    {
        using TestMachine machine = new();
        Assert.Equal("The device 'files' has no back end: the program at /f does not listen. Start one for it, with virtiofsd --socket-path=/f.",
            Assert.Throws<ConfigException>(() => DeviceFactories.Create(new VhostUserFsConfig("files", "/f", "files"), machine.Services)).Message);
    }

    private void Make(VhostPeer peer, string tag = "files")
    {
        _made.Add(_machine = new TestMachine(streams: peer));
        _device = DeviceFactories.Create(new VhostUserFsConfig("files", "/f", tag), _machine.Services);
        _made.Insert(0, _device);
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
        _driver = new VirtioDriver(_machine, 1);
        _driver.Bring(2, Features);
    }

    private void Submit(int queue, byte first, ulong answer = Received)
    {
        ulong at = Sent + (0x100UL * first);
        _machine.Memory.TryWrite(at, first);
        _driver.Submit(queue, (at, 40, false), (answer, 64, true));
    }

    private static ushort Take(VhostPeer peer, int queue) => BackEndTurns.Take(peer, queue);

    private static byte[] Read(VhostPeer peer, int queue, ushort head) =>
        [.. peer.Chain(queue, head).Where(static one => !one.IsWritable).SelectMany(one => peer.Read(one.Address, one.Length))];

    private static void Give(VhostPeer peer, int queue, ushort head, ReadOnlySpan<byte> answer)
    {
        int length = answer.Length;
        foreach ((ulong address, int room, bool isWritable) in peer.Chain(queue, head))
        {
            if (!isWritable || answer.IsEmpty) continue;
            int part = Math.Min(room, answer.Length);
            peer.Write(address, answer[..part]);
            answer = answer[part..];
        }
        peer.Use(queue, head, (uint)length);
        peer.Rings[queue].Wake();
    }

    private void Answer(VhostPeer peer, int queue, ushort head, string text)
    {
        Give(peer, queue, head, [0, 0, 0, 0, .. Encoding.ASCII.GetBytes(text)]);
        Assert.Equal(4u + (uint)text.Length, _driver.WaitUsed(queue));
    }

    // struct fuse_out_header: length, error, number of the request.
    private void AssertRefused(ulong number)
    {
        Assert.Equal((uint)HeaderBytes, _driver.WaitUsed(Requests));
        Assert.Equal((uint)HeaderBytes, Load32(Received));
        Assert.Equal(-IoError, (int)Load32(Received + 4));
        Assert.Equal(number, Load32(Received + 8) | ((ulong)Load32(Received + 12) << 32));
    }

    private uint Load32(ulong address) => _machine.Memory.TryRead(address, out uint value) ? value : throw new InvalidOperationException("No RAM.");

    private byte[] Copy(ulong address, int length)
    {
        byte[] data = new byte[length];
        Assert.True(_machine.Memory.TryCopyOut(address, data));
        return data;
    }

    private string Text(ulong address, int length) => Encoding.ASCII.GetString(Copy(address, length));

    private static byte[] Bytes(int seed, int length)
    {
        byte[] data = new byte[length];
        new Random(seed).NextBytes(data);
        return data;
    }
}
