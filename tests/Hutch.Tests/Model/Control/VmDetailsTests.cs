using System.Linq;
using System.Text.Json;
using Hutch.Model.Control;
using Xunit;

namespace Hutch.Tests.Model.Control;

public sealed class VmDetailsTests
{
    [Theory]
    [InlineData(null)]
    [InlineData("bind:0")]
    public void Details_come_back_as_they_went(string? numa)
    {
        VmDetails details = new([new VcpuInfo(0, 123, "0-3", "fifo:1", 1.5), new VcpuInfo(1, 124, "2", "other", 0)], "0,5", "/a", new MemoryInfo(2 << 20, true, false, 4096, numa))
        {
            Devices = ["disk0", "nic0"],
            Pluggable = numa is null ? null : new PluggableMemoryInfo(3, 2, 1UL << 40),
            MostVcpus = 4,
            OfferedVcpus = [1],
            AskedVcpus = [2, 3],
            RefusedVcpus = numa is null ? [] : [1],
            Balloon = numa is null ? null : new BalloonInfo(1 << 20, 4096, [new BalloonStatistic("freeBytes", 7)], 1.5),
        };
        VmReply reply = VmReply.Completed with { Status = new VmStatus("n", "running", 5, "kvm", 2, 1 << 20), Details = details };
        VmReply again = ControlLine.ReadReply(ControlLine.Write(reply));
        Assert.Equal(details.Vcpus.AsSpan(), again.Details!.Vcpus.AsSpan());
        Assert.Equal(details.Devices.AsSpan(), again.Details.Devices.AsSpan());
        Assert.Equal(details.OfferedVcpus.AsSpan(), again.Details.OfferedVcpus.AsSpan());
        Assert.Equal(details.AskedVcpus.AsSpan(), again.Details.AskedVcpus.AsSpan());
        Assert.Equal(details.RefusedVcpus.AsSpan(), again.Details.RefusedVcpus.AsSpan());
        Assert.Equal(details.Balloon?.Statistics.ToArray(), again.Details.Balloon?.Statistics.ToArray());
        Assert.Equal(Plain(details), Plain(again.Details));
        Assert.Equal(reply.Status, again.Status);
        using JsonDocument line = JsonDocument.Parse(ControlLine.Write(reply.Status!, details));
        Assert.Equal("fifo:1", line.RootElement.GetProperty("vcpuThreads")[0].GetProperty("scheduler").GetString());
        Assert.Equal("n", line.RootElement.GetProperty("name").GetString());
    }

    // Without lists, which are equal only where they are the same.
    private static VmDetails Plain(VmDetails details) =>
        details with { Vcpus = default, Devices = default, OfferedVcpus = default, AskedVcpus = default, RefusedVcpus = default, Balloon = details.Balloon is null ? null : details.Balloon with { Statistics = default } };
}
