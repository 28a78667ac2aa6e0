using System;
using Hutch.Core.Engine;
using Hutch.Core.State;
using Hutch.Vmm.Engines;
using Xunit;

namespace Hutch.Tests.Vmm.Engines;

/// <summary>Whether a guest can go on with another CPU.</summary>
public sealed class GuestCpuMatchTests
{
    private static readonly GuestCpu Cpu = new("AuthenticAMD", 0xa00f11, ["fpu", "xsave", "pku"]) { SaveArea = "2:576+256 9:2432+8" };

    [Fact]
    public void The_same_cpu_is_good() => GuestCpuMatch.Check(Cpu, Cpu with { });

    [Fact]
    public void A_cpu_that_saves_registers_in_other_places_is_refused()
    {
        StateException refused = Assert.Throws<StateException>(() => GuestCpuMatch.Check(Cpu, Cpu with { SaveArea = "2:576+256 9:832+8" }));
        Assert.Contains("components at 2:576+256 9:2432+8, and this engine has them at 2:576+256 9:832+8", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_state_that_does_not_say_is_believed() => GuestCpuMatch.Check(Cpu with { SaveArea = "" }, Cpu);
}
