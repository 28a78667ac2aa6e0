using System;
using Hutch.Host.Events;
using Hutch.Host.Files;
using Hutch.Host.Time;
using Hutch.Model.Machine;
using Hutch.Net;
using Hutch.Net.Filters;
using Xunit;

namespace Hutch.Tests.Net.Filters;

public sealed class RateQueueTests : IDisposable
{
    private readonly NativeBuffer _memory = new(4096);
    private readonly EventFd _wake = EventFd.Create("test");
    private readonly Clock _clock = new();
    private readonly RecordingBuffers _guest = new();

    public void Dispose()
    {
        _memory.Dispose();
        _wake.Dispose();
    }

    private RateQueue Make(NetRate? inbound, NetRate? outbound, Inner inner) => new(
        inbound is null ? null : new RateLimit(inbound, _clock), outbound is null ? null : new RateLimit(outbound, _clock), _guest, buffers =>
        {
            inner.Buffers = buffers;
            return inner;
        });

    [Fact]
    public void What_is_sent_is_held_until_time_has_paid_for_what_went_before()
    {
        Inner inner = new();
        RateQueue queue = Make(null, new NetRate(10_000, 1000), inner);
        // A burst in advance, then a frame for each hundredth of a second.
        int passed = 0;
        while (queue.Transmit(default, [_memory.Segment(0, 100)])) passed++;
        Assert.Equal(11, passed);
        queue.Wait(_wake, NetWait.Receive | NetWait.Transmit, -1);
        Assert.Equal((NetWait.Receive, 10), (inner.Wanted, (inner.TimeoutMs + 1) / 10 * 10));
        _clock.MonotonicNanoseconds += 10_000_000;
        Assert.True(queue.Transmit(default, [_memory.Segment(0, 100)]));
        Assert.False(queue.Transmit(default, [_memory.Segment(0, 100)]));
        _clock.MonotonicNanoseconds += 1_000_000_000;
        for (passed = 0; queue.Transmit(default, [_memory.Segment(0, 100)]);) passed++;
        Assert.Equal(11, passed);
    }

    [Fact]
    public void What_arrives_is_held_in_the_back_end()
    {
        Inner inner = new() { Waiting = 30 };
        RateQueue queue = Make(new NetRate(10_000, 1000), null, inner);
        Assert.False(queue.Receive(64));
        Assert.Equal((11, 19), (_guest.Frames.Count, inner.Waiting));
        queue.Wait(_wake, NetWait.Receive, -1);
        Assert.Equal(NetWait.None, inner.Wanted);
        Assert.InRange(inner.TimeoutMs, 1, 11);
        _clock.MonotonicNanoseconds += 20_000_000;
        Assert.False(queue.Receive(64));
        Assert.Equal(13, _guest.Frames.Count);
        Assert.True(queue.Transmit(default, [_memory.Segment(0, 4096)]));
    }

    private sealed class Clock : IClock
    {
        public long MonotonicNanoseconds { get; set; } = 1_000_000_000_000;

        public DateTimeOffset UtcNow => default;
    }

    private sealed class Inner : INetQueue
    {
        internal INetBuffers? Buffers { get; set; }

        internal int Waiting { get; set; }

        internal NetWait Wanted { get; private set; }

        internal int TimeoutMs { get; private set; }

        public bool Transmit(in PacketOffload offload, ReadOnlySpan<IoSegment> frame) => true;

        public bool Receive(int most)
        {
            while (Waiting != 0 && Buffers!.TryDeliver(default, new byte[100])) Waiting--;
            return true;
        }

        public void Wait(EventFd wake, NetWait wanted, int timeoutMs) => (Wanted, TimeoutMs) = (wanted, timeoutMs);
    }
}
