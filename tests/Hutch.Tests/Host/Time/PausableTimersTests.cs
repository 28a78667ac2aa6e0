using Hutch.Host.Time;
using Hutch.Tests.Devices.Chipset;
using Xunit;

namespace Hutch.Tests.Host.Time;

public sealed class PausableTimersTests
{
    private readonly FakeTime _host = new();

    [Fact]
    public void Time_that_passes_while_the_clock_stands_is_never_seen()
    {
        using PausableTimers timers = new(_host);
        long begin = timers.Clock.MonotonicNanoseconds;
        _host.Advance(100);
        timers.Stop();
        _host.Advance(1_000_000);
        Assert.Equal(begin + 100, timers.Clock.MonotonicNanoseconds);
        timers.Start();
        Assert.Equal(begin + 100, timers.Clock.MonotonicNanoseconds);
        _host.Advance(5);
        Assert.Equal(begin + 105, timers.Clock.MonotonicNanoseconds);
    }

    [Fact]
    public void A_timer_has_as_long_to_go_as_before_the_pause()
    {
        using PausableTimers timers = new(_host);
        int fired = 0;
        IHostTimer timer = timers.CreateTimer("t", () => fired++);
        timer.Arm(timers.Clock.MonotonicNanoseconds + 100);
        _host.Advance(60);
        timers.Stop();
        _host.Advance(1000);
        Assert.Equal(0, fired);
        timers.Start();
        _host.Advance(39);
        Assert.Equal(0, fired);
        _host.Advance(1);
        Assert.Equal(1, fired);
        _host.Advance(1000);
        Assert.Equal(1, fired);
    }

    [Fact]
    public void A_timer_can_be_set_and_cancelled_while_the_clock_stands()
    {
        using PausableTimers timers = new(_host);
        int first = 0, second = 0;
        IHostTimer kept = timers.CreateTimer("kept", () => first++), cancelled = timers.CreateTimer("cancelled", () => second++);
        cancelled.Arm(timers.Clock.MonotonicNanoseconds + 10);
        timers.Stop();
        kept.Arm(timers.Clock.MonotonicNanoseconds + 10);
        cancelled.Disarm();
        _host.Advance(100);
        timers.Start();
        _host.Advance(10);
        Assert.Equal((1, 0), (first, second));
    }

    [Fact]
    public void A_clock_that_is_set_goes_on_from_there()
    {
        using PausableTimers timers = new(_host);
        int fired = 0;
        IHostTimer timer = timers.CreateTimer("t", () => fired++);
        timers.Stop();
        timers.SetTime(5_000_000_000_000);
        timer.Arm(5_000_000_000_007);
        timers.Start();
        Assert.Equal(5_000_000_000_000, timers.Clock.MonotonicNanoseconds);
        _host.Advance(7);
        Assert.Equal(1, fired);
    }
}
