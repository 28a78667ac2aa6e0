using Hutch.Core.Engine;
using Xunit;

namespace Hutch.Tests.Core.Engine;

public sealed class MachineClockTests
{
    [Theory]
    [InlineData(2_593_500, 2_596_142, true)]
    [InlineData(2_596_142, 2_593_500, true)]
    [InlineData(2_500_000, 2_505_000, true)]
    [InlineData(2_500_000, 2_505_001, false)]
    [InlineData(2_500_000, 2_494_999, false)]
    [InlineData(2_500_000, ulong.MaxValue, false)]
    public void Two_measurements_of_one_host_differ_by_little(ulong own, ulong khz, bool same) => Assert.Equal(same, MachineClock.IsFrequencyOf(own, khz));
}
