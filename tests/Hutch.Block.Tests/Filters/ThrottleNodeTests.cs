using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Filters;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Xunit;

namespace Hutch.Block.Tests.Filters;

public sealed class ThrottleNodeTests : BlockNodeContract
{
    protected override BlockNode Create() => new ThrottleNode(new MemoryNode(LengthBytes, grows: false), new ThrottleGroup(new ThrottleLimits(), TimeProvider.System));

    [Fact]
    public void The_long_rate_is_kept_to()
    {
        SimulatedTime time = new();
        using ThrottleGroup group = new(new ThrottleLimits { BytesTotal = new(1_000_000) }, time);
        Pass(group, time, requests: 100, lengthBytes: 100_000);
        Assert.InRange(time.Now.TotalSeconds, 9.7, 10.1);
    }

    [Fact]
    public void Requests_are_counted_and_long_ones_as_several()
    {
        SimulatedTime time = new();
        using ThrottleGroup group = new(new ThrottleLimits { RequestsWrite = new(100), RequestSizeBytes = 4096 }, time);
        Pass(group, time, requests: 100, lengthBytes: 8192, isWrite: true);
        Assert.InRange(time.Now.TotalSeconds, 1.85, 2.05);
        Pass(group, time, requests: 100, lengthBytes: 8192, isWrite: false);
        Assert.InRange(time.Now.TotalSeconds, 1.85, 2.05);
    }

    [Fact]
    public void A_burst_lasts_as_long_as_it_may()
    {
        SimulatedTime time = new();
        using ThrottleGroup group = new(new ThrottleLimits { RequestsTotal = new(100, BurstRate: 1000, BurstSeconds: 5) }, time);
        // 5000 requests fit the burst, at 1000 a second; what leaked meanwhile comes on top.
        Pass(group, time, requests: 5000, lengthBytes: 512);
        Assert.InRange(time.Now.TotalSeconds, 4.5, 5.2);
        Pass(group, time, requests: 1500, lengthBytes: 512);
        Assert.InRange(time.Now.TotalSeconds, 14, 16);
    }

    [Fact]
    public async Task A_waiting_request_can_be_cancelled()
    {
        SimulatedTime time = new();
        using ThrottleGroup group = new(new ThrottleLimits { BytesTotal = new(1) }, time);
        await group.PassAsync(isWrite: false, 1000, default);
        using CancellationTokenSource cancel = new();
        ValueTask waiting = group.PassAsync(isWrite: false, 1, cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await waiting);
        group.SetLimits(new ThrottleLimits());
        await group.PassAsync(isWrite: false, 1, default);
    }

    private static void Pass(ThrottleGroup group, SimulatedTime time, int requests, long lengthBytes, bool isWrite = false)
    {
        for (int i = 0; i < requests; i++)
            while (group.TryPass(isWrite, lengthBytes) is > 0 and double wait) time.Advance(wait);
    }
}
