using System.Threading.Tasks;
using Hutch.Block.Graph;
using Xunit;

namespace Hutch.Block.Tests.Graph;

public sealed class RangeLocksTests
{
    private readonly RangeLocks _locks = new();

    [Fact]
    public async Task Ranges_that_overlap_wait_in_order_and_others_do_not()
    {
        int first = await _locks.AcquireAsync(0, 100);
        ValueTask<int> second = _locks.AcquireAsync(50, 100);
        ValueTask<int> third = _locks.AcquireAsync(140, 10);
        Assert.False(second.IsCompleted);
        Assert.False(third.IsCompleted);
        Assert.Equal(-1, _locks.TryAcquire(99, 1));
        int fourth = _locks.TryAcquire(150, 10);
        Assert.True(fourth >= 0);
        _locks.Release(first);
        int ticket = await second;
        Assert.False(third.IsCompleted);
        _locks.Release(ticket);
        _locks.Release(await third);
        _locks.Release(fourth);
        Assert.True(_locks.TryAcquire(0, long.MaxValue) >= 0);
    }

    [Fact]
    public void Many_ranges_are_held_at_once()
    {
        for (int i = 0; i < 100; i++) Assert.True(_locks.TryAcquire(i * 10, 10) >= 0);
        Assert.Equal(-1, _locks.TryAcquire(555, 1));
    }
}
