using System;
using Hutch.Block.Tests;
using Hutch.Core.Memory;
using Hutch.Devices.Virtio.Queue;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>Split virtqueues, the device's side (virtio 1.2 §2.7).</summary>
public sealed class VirtQueueTests : IDisposable
{
    private const ulong Table = 0x1000, Available = 0x2000, Used = 0x3000, Buffers = 0x10000, RamBytes = 1 << 20;
    private const int Size = 8;
    private const ushort Next = 1, Write = 2, Indirect = 4;

    private readonly GuestMemory _memory = GuestMemory.Create(RamBytes);
    private readonly DescriptorChain _chain = new(16);
    private readonly VirtQueue _queue;
    private ushort _available;

    public VirtQueueTests() => _queue = new VirtQueue(_memory, 16);

    // virtio 1.2 §2.7.4: no assumption about framing.
    [Fact]
    public void A_chain_is_two_byte_strings_however_it_is_cut()
    {
        Activate();
        Describe(3, Buffers, 3, Next, 1);
        Describe(1, Buffers + 0x100, 5, Next, 6);
        Describe(6, Buffers + 0x200, 7, Write | Next, 2);
        Describe(2, Buffers + 0x300, 9, Write, 0);
        _memory.TryCopyIn(Buffers, "abc"u8);
        _memory.TryCopyIn(Buffers + 0x100, "defgh"u8);
        Offer(3);

        Assert.Equal(QueueStatus.Popped, _queue.TryPop(_chain));

        byte[] read = new byte[6];
        Assert.Equal((3, 8L, 16L), (_chain.Head, _chain.ReadableBytes, _chain.WritableBytes));
        Assert.True(_chain.TryRead(1, read));
        Assert.Equal("bcdefg"u8.ToArray(), read);
        Assert.False(_chain.TryRead(3, read));
        Assert.True(_chain.TryWrite(5, "xyz"u8));
        Assert.False(_chain.TryWrite(14, "xyz"u8));
        _memory.TryRead(Buffers + 0x205, out ushort first);
        _memory.TryRead(Buffers + 0x300, out byte last);
        Assert.Equal(('x' | ('y' << 8), (byte)'z'), (first, last));
        Assert.Equal(QueueStatus.Empty, _queue.TryPop(_chain));
    }

    // virtio 1.2 §2.7.8.
    [Fact]
    public void Used_elements_carry_head_and_length_and_the_indices_wrap()
    {
        Activate();
        Describe(5, Buffers, 16, Write, 0);
        for (int i = 0; i < 70_000; i++)
        {
            Offer(5);
            Assert.Equal(QueueStatus.Popped, _queue.TryPop(_chain));
            _queue.PushUsed(_chain.Head, (uint)i);
            _memory.TryRead(Used + 2, out ushort index);
            _memory.TryRead(Used + 4 + (8UL * (uint)(i % Size)), out ulong element);
            Assert.Equal(((ushort)(i + 1), ((ulong)i << 32) | 5), (index, element));
        }
    }

    // virtio 1.2 §2.7.5.3.
    [Fact]
    public void An_indirect_table_is_followed()
    {
        Activate(indirect: true);
        Describe(0, Buffers, 2, Next, 1);
        Describe(1, 0x5000, 32, Indirect, 0);
        DescribeAt(0x5000, Buffers + 0x100, 4, Next | Write, 1);
        DescribeAt(0x5010, Buffers + 0x200, 8, Write, 0);
        Offer(0);

        Assert.Equal(QueueStatus.Popped, _queue.TryPop(_chain));
        Assert.Equal((2L, 12L), (_chain.ReadableBytes, _chain.WritableBytes));
    }

    // virtio 1.2 §2.7.7, §2.7.10: VIRTQ_AVAIL_F_NO_INTERRUPT and VIRTQ_USED_F_NO_NOTIFY.
    [Fact]
    public void Without_the_event_index_flags_suppress_interrupts_and_notifications()
    {
        Activate();
        Describe(0, Buffers, 2, Write, 0);
        Assert.False(_queue.ShouldInterrupt());
        Push();
        Assert.True(_queue.ShouldInterrupt());
        Assert.False(_queue.ShouldInterrupt());
        _memory.TryWrite<ushort>(Available, 1);
        Push();
        Assert.False(_queue.ShouldInterrupt());

        _queue.DisableNotifications();
        _memory.TryRead(Used, out ushort flags);
        Assert.Equal(1, flags);
        Assert.False(_queue.EnableNotifications());
        _memory.TryRead(Used, out flags);
        Assert.Equal(0, flags);
        Offer(0);
        Assert.True(_queue.EnableNotifications());
    }

    // virtio 1.2 §2.7.7.2, §2.7.10.
    [Fact]
    public void With_the_event_index_an_interrupt_comes_when_used_event_is_passed()
    {
        Activate(eventIndex: true);
        Describe(0, Buffers, 2, Write, 0);
        _memory.TryWrite<ushort>(Available + 4 + (2 * Size), 2);
        Push();
        Assert.False(_queue.ShouldInterrupt());
        Push();
        Push();
        Assert.True(_queue.ShouldInterrupt());
        Push();
        Assert.False(_queue.ShouldInterrupt());

        Assert.False(_queue.EnableNotifications());
        _memory.TryRead(Used + 4 + (8 * Size), out ushort availEvent);
        Assert.Equal(4, availEvent);
    }

    [Fact]
    public void A_queue_that_is_not_active_is_empty() => Assert.Equal(QueueStatus.Empty, _queue.TryPop(_chain));

    [Fact]
    public void A_chain_can_be_put_back()
    {
        Activate();
        Describe(4, Buffers, 2, Write, 0);
        Offer(4);
        Assert.Equal(QueueStatus.Popped, _queue.TryPop(_chain));
        _queue.UndoPop();
        Assert.Equal(QueueStatus.Popped, _queue.TryPop(_chain));
        Assert.Equal(4, _chain.Head);
    }

    [Fact]
    public void Popping_and_pushing_allocate_nothing()
    {
        Activate(eventIndex: true);
        Describe(0, Buffers, 2, Write, 0);
        Assert.Equal(0, ManagedMemory.Taken(() =>
        {
            for (int i = 0; i < 1000; i++) Push();
        }));
    }

    // virtio 1.2 §2.7.5.2: a driver makes no loops.
    [Fact]
    public void A_loop_breaks_the_queue()
    {
        Activate();
        Describe(0, Buffers, 2, Next, 1);
        Describe(1, Buffers, 2, Next, 0);
        AssertBroken(0, QueueFault.ChainTooLong);
    }

    [Fact]
    public void A_loop_in_an_indirect_table_breaks_the_queue()
    {
        Activate(indirect: true);
        Describe(0, 0x5000, 16, Indirect, 0);
        DescribeAt(0x5000, Buffers, 2, Next, 0);
        AssertBroken(0, QueueFault.ChainTooLong);
    }

    // virtio 1.2 §2.7.5.3.1.
    [Fact]
    public void An_indirect_chain_longer_than_the_queue_breaks_it()
    {
        Activate(indirect: true);
        Describe(0, 0x5000, 16 * 10, Indirect, 0);
        for (ushort i = 0; i < 10; i++) DescribeAt(0x5000 + (16UL * i), Buffers, 2, i < 9 ? Next : (ushort)0, (ushort)(i + 1));
        AssertBroken(0, QueueFault.ChainTooLong);
    }

    [Theory]
    [InlineData(RamBytes, 1u)]
    [InlineData(RamBytes - 1, 2u)]
    [InlineData(ulong.MaxValue, 1u)]
    [InlineData(ulong.MaxValue - 3, 8u)]
    [InlineData(0xfee00000UL, 4u)]
    public void A_buffer_outside_ram_breaks_the_queue(ulong address, uint length)
    {
        Activate();
        Describe(0, address, length, Write, 0);
        AssertBroken(0, QueueFault.NotRam);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(0x8000_0000u)]
    [InlineData(uint.MaxValue)]
    public void A_bad_length_breaks_the_queue(uint length)
    {
        Activate();
        Describe(0, Buffers, length, Write, 0);
        AssertBroken(0, QueueFault.BadLength);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(0xffff)]
    public void A_bad_head_or_next_breaks_the_queue(int index)
    {
        Activate();
        Describe(0, Buffers, 2, Next, (ushort)index);
        AssertBroken(index, QueueFault.BadIndex);
        Activate();
        Describe(0, Buffers, 2, Next, (ushort)index);
        AssertBroken(0, QueueFault.BadIndex);
    }

    // virtio 1.2 §2.7.5.3: a whole number of descriptors.
    [Theory]
    [InlineData(0x5000UL, 0u, Indirect, QueueFault.BadIndirect)]
    [InlineData(0x5000UL, 15u, Indirect, QueueFault.BadIndirect)]
    [InlineData(0x5000UL, 33u, Indirect, QueueFault.BadIndirect)]
    [InlineData(0x5000UL, 16u, Indirect | Next, QueueFault.BadIndirect)]
    [InlineData(RamBytes - 16, 32u, Indirect, QueueFault.NotRam)]
    [InlineData(ulong.MaxValue - 15, 16u, Indirect, QueueFault.NotRam)]
    public void A_bad_indirect_table_breaks_the_queue(ulong address, uint length, int flags, object fault)
    {
        Activate(indirect: true);
        Describe(0, address, length, (ushort)flags, 0);
        AssertBroken(0, (QueueFault)fault);
    }

    [Fact]
    public void An_indirect_table_inside_an_indirect_table_breaks_the_queue()
    {
        Activate(indirect: true);
        Describe(0, 0x5000, 16, Indirect, 0);
        DescribeAt(0x5000, 0x6000, 16, Indirect, 0);
        DescribeAt(0x6000, Buffers, 2, 0, 0);
        AssertBroken(0, QueueFault.BadIndirect);
    }

    [Fact]
    public void An_indirect_table_that_was_not_negotiated_breaks_the_queue()
    {
        Activate();
        Describe(0, 0x5000, 16, Indirect, 0);
        DescribeAt(0x5000, Buffers, 2, 0, 0);
        AssertBroken(0, QueueFault.BadIndirect);
    }

    // virtio 1.2 §2.7.4.2.
    [Fact]
    public void A_readable_buffer_after_a_writable_one_breaks_the_queue()
    {
        Activate();
        Describe(0, Buffers, 2, Write | Next, 1);
        Describe(1, Buffers, 2, 0, 0);
        AssertBroken(0, QueueFault.ReadableAfterWritable);
    }

    [Fact]
    public void An_available_index_that_jumps_breaks_the_queue()
    {
        Activate();
        Describe(0, Buffers, 2, Write, 0);
        _memory.TryWrite(Available + 2, (ushort)(Size + 1));
        Assert.Equal(QueueStatus.Broken, _queue.TryPop(_chain));
        Assert.Equal(QueueFault.AvailableJump, _queue.Fault);
    }

    // virtio 1.2 §2.7: a power of two, 32768 at the most.
    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(32)]
    [InlineData(65535)]
    public void A_bad_size_does_not_activate(int size)
    {
        Assert.False(TryActivate(size, Table, Available, Used));
        Assert.Equal(QueueFault.BadSize, _queue.Fault);
        Assert.Equal(QueueStatus.Broken, _queue.TryPop(_chain));
    }

    // virtio 1.2 §2.7: alignments of the three parts.
    [Theory]
    [InlineData(Table + 8, Available, Used)]
    [InlineData(Table, Available + 1, Used)]
    [InlineData(Table, Available, Used + 2)]
    [InlineData(RamBytes, Available, Used)]
    [InlineData(RamBytes - 112, Available, Used)]
    [InlineData(Table, RamBytes - 8, Used)]
    [InlineData(Table, Available, RamBytes - 64)]
    [InlineData(ulong.MaxValue - 15, Available, Used)]
    public void Bad_ring_addresses_do_not_activate(ulong table, ulong available, ulong used)
    {
        Assert.False(TryActivate(Size, table, available, used));
        Assert.Equal(QueueFault.BadRingAddress, _queue.Fault);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_queue_contents_end_in_order(int seed)
    {
        Random random = new(seed);
        byte[] rings = new byte[0x4000];
        int popped = 0;
        for (int round = 0; round < 50_000; round++)
        {
            if (round % 64 == 0)
            {
                random.NextBytes(rings);
                _memory.TryCopyIn(Table, rings);
            }
            for (ushort i = 0; i < Size; i++)
                if (random.Next(4) != 0) DescribeAt(Table + (16UL * i), (ulong)random.Next((int)RamBytes + 0x1000), (uint)random.Next(0x800), (ushort)random.Next(8), (ushort)random.Next(Size + 1));
            Activate(eventIndex: random.Next(2) == 0, indirect: random.Next(2) == 0);
            for (ulong i = 0; i < Size; i++) _memory.TryWrite(Available + 4 + (2 * i), (ushort)random.Next(Size + 1));
            _memory.TryWrite(Available + 2, (ushort)random.Next(Size + 2));
            int pops = 0;
            while (_queue.TryPop(_chain) == QueueStatus.Popped)
            {
                Assert.InRange(++pops, 1, Size);
                Assert.InRange(_chain.ReadableBytes + _chain.WritableBytes, 1, uint.MaxValue);
                _queue.PushUsed(_chain.Head, 1);
                _ = _queue.ShouldInterrupt();
                popped++;
            }
            _ = _queue.EnableNotifications();
        }
        Assert.InRange(popped, 1000, int.MaxValue);
    }

    public void Dispose() => _memory.Dispose();

    private void AssertBroken(int head, QueueFault fault)
    {
        Offer((ushort)head);
        Assert.Equal(QueueStatus.Broken, _queue.TryPop(_chain));
        Assert.Equal(fault, _queue.Fault);
        Assert.Equal(QueueStatus.Broken, _queue.TryPop(_chain));
    }

    private void Activate(bool eventIndex = false, bool indirect = false) =>
        Assert.True(TryActivate(Size, Table, Available, Used, eventIndex, indirect));

    private bool TryActivate(int size, ulong table, ulong available, ulong used, bool eventIndex = false, bool indirect = false)
    {
        _queue.Reset();
        _available = 0;
        _memory.TryWrite(Available, 0u);
        _memory.TryWrite(Used, 0u);
        (_queue.Size, _queue.DescriptorTable, _queue.AvailableRing, _queue.UsedRing) = (size, table, available, used);
        return _queue.Activate(eventIndex, indirect);
    }

    private void Push()
    {
        Offer(0);
        _ = _queue.TryPop(_chain);
        _queue.PushUsed(_chain.Head, 0);
    }

    private void Offer(ushort head)
    {
        _memory.TryWrite(Available + 4 + (2UL * (uint)(_available % Size)), head);
        _memory.TryWrite(Available + 2, ++_available);
    }

    private void Describe(int index, ulong address, uint length, int flags, ushort next) =>
        DescribeAt(Table + (16 * (ulong)index), address, length, (ushort)flags, next);

    private void DescribeAt(ulong at, ulong address, uint length, int flags, ushort next)
    {
        _memory.TryWrite(at, address);
        _memory.TryWrite(at + 8, length);
        _memory.TryWrite(at + 12, (ushort)flags);
        _memory.TryWrite(at + 14, next);
    }
}
