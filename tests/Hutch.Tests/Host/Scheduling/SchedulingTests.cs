using System.Linq;
using Hutch.Host.Linux;
using Hutch.Host.Memory;
using Hutch.Host.Scheduling;
using Xunit;

namespace Hutch.Tests.Host.Scheduling;

public sealed class SchedulingTests
{
    [Theory]
    [InlineData("0", "0")]
    [InlineData("0-3,8", "0-3,8")]
    [InlineData("8,0,1,2,3", "0-3,8")]
    [InlineData("5-5", "5")]
    [InlineData("64-127,8191", "64-127,8191")]
    public void A_list_of_cpus_is_read_and_written_as_the_kernel_does(string text, string written)
    {
        CpuSet set = CpuSet.Parse(text)!;
        Assert.Equal(written, set.ToString());
        Assert.Equal(set, CpuSet.Parse(written));
    }

    [Theory]
    [InlineData("")]
    [InlineData(",")]
    [InlineData("a")]
    [InlineData("-1")]
    [InlineData("3-1")]
    [InlineData("1-2-3")]
    [InlineData("8192")]
    [InlineData("0-99999999999")]
    [InlineData(" 1")]
    public void What_is_no_list_is_refused(string text) => Assert.Null(CpuSet.Parse(text));

    [Theory]
    [InlineData("other", 0, 0)]
    [InlineData("fifo", 1, 1)]
    [InlineData("fifo:99", 1, 99)]
    [InlineData("rr:7", 2, 7)]
    [InlineData("batch", 3, 0)]
    [InlineData("idle", 5, 0)]
    public void A_class_is_read(string text, int policy, int priority) => Assert.Equal(new SchedulerClass(policy, priority), SchedulerClass.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("fifo:0")]
    [InlineData("fifo:100")]
    [InlineData("fifo:1:1")]
    [InlineData("batch:1")]
    [InlineData("deadline")]
    public void What_is_no_class_is_refused(string text) => Assert.Null(SchedulerClass.Parse(text));

    [Fact]
    public void Cores_are_filled_with_one_thread_each_before_their_second_threads()
    {
        // Eight CPUs, of which 0 and 4, 1 and 5 and so on share a core.
        CpuSet Siblings(int cpu) => new(cpu % 4, (cpu % 4) + 4);
        Assert.Equal([7, 6, 5, 4, 3, 2, 1, 0], HostCpus.InOrderOfUse(CpuSet.Parse("0-7")!, Siblings));
        Assert.Equal([6, 5, 3, 2], HostCpus.InOrderOfUse(CpuSet.Parse("2,3,5,6")!, Siblings));
    }

    [Fact]
    public void A_thread_moves_to_where_it_is_told()
    {
        HostThread self = HostThread.Current;
        CpuSet before = self.Affinity;
        CpuSet one = new(before.Numbers.Last());
        try
        {
            self.SetAffinity(one);
            Assert.Equal(one, self.Affinity);
            Assert.Throws<LinuxException>(() => self.SetAffinity(new CpuSet(CpuSet.Limit - 1)));
        }
        finally
        {
            self.SetAffinity(before);
        }
        Assert.Contains(self, HostThread.OfProcess());
    }

    [Fact]
    public unsafe void Memory_that_is_taken_or_locked_is_cleared_in_place()
    {
        using MappedRegion region = MappedRegion.Allocate(1 << 20, "test");
        region.Populate(threads: 3);
        region.Start[5] = 1;
        region.Discard();
        Assert.Equal(0, region.Start[5]);
        using MappedRegion locked = MappedRegion.Allocate(8192, "test");
        locked.LockPages();
        locked.Start[5000] = 1;
        locked.Discard();
        Assert.Equal(0, locked.Start[5000]);
    }
}
