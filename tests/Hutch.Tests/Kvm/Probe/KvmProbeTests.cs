using System;
using System.IO;
using System.Linq;
using System.Threading;
using Hutch.Host.Linux;
using Hutch.Kvm.Abi;
using Hutch.Kvm.Probe;
using Xunit;

namespace Hutch.Tests.Kvm.Probe;

public sealed class KvmProbeTests
{
    private static readonly ProbeSignals Amd = new(true, "kvm_amd"), Pvm = new(false, "kvm_pvm");

    [Fact]
    public void Where_every_instruction_runs_the_verdict_is_hardware()
    {
        using FakeKvm kvm = new();
        KvmProbeResult result = KvmProbe.Run(kvm, Amd);
        Assert.Equal(KvmVerdict.Hardware, result.Verdict);
        Assert.True(result.IsUsable);
        Assert.Equal("hardware KVM by kvm_amd", result.Text);
        Assert.Equal<string>(kvm.Ran, result.Ran);
        Assert.Contains("int3", result.Ran);
        Assert.Contains("xgetbv", result.Ran);
        Assert.Equal(0, kvm.Held);
    }

    [Fact]
    public void Pvm_is_named_with_the_instructions_that_failed()
    {
        using FakeKvm kvm = new() { OffersXsave = false, Fails = { ["int3"] = KvmExit.InternalError, ["paddd"] = KvmExit.InternalError } };
        KvmProbeResult result = KvmProbe.Run(kvm, Pvm);
        Assert.Equal(KvmVerdict.Pvm, result.Verdict);
        Assert.False(result.IsUsable);
        Assert.Equal<string>(["int3", "paddd"], result.Failed);
        Assert.StartsWith("PVM, cannot run a stock kernel", result.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("xgetbv", kvm.Ran);
        Assert.Equal(0, kvm.Held);
    }

    [Fact]
    public void A_name_alone_condemns_nobody()
    {
        using FakeKvm kvm = new();
        Assert.Equal(KvmVerdict.Hardware, KvmProbe.Run(kvm, Pvm).Verdict);
    }

    [Theory]
    [InlineData(nameof(KvmExit.InternalError))]
    [InlineData(nameof(KvmExit.Shutdown))]
    [InlineData(nameof(KvmExit.FailEntry))]
    [InlineData(nameof(KvmExit.Unknown))]
    public void An_instruction_that_fails_makes_any_kvm_incomplete(string exit)
    {
        using FakeKvm kvm = new() { Fails = { ["int3"] = Enum.Parse<KvmExit>(exit) } };
        KvmProbeResult result = KvmProbe.Run(kvm, Amd);
        Assert.Equal(KvmVerdict.Incomplete, result.Verdict);
        Assert.Equal<string>(["int3"], result.Failed);
        Assert.Contains("int3", result.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_result_is_a_failure()
    {
        using FakeKvm kvm = new() { Miscalculates = { "int3" } };
        KvmProbeResult result = KvmProbe.Run(kvm, Amd);
        Assert.Equal(KvmVerdict.Incomplete, result.Verdict);
        Assert.Contains("0x63", result.Detail!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, nameof(KvmVerdict.NoDevice))]
    [InlineData(19, nameof(KvmVerdict.NoDevice))]
    [InlineData(6, nameof(KvmVerdict.NoDevice))]
    [InlineData(13, nameof(KvmVerdict.NoRights))]
    [InlineData(1, nameof(KvmVerdict.NoRights))]
    [InlineData(16, nameof(KvmVerdict.Busy))]
    [InlineData(24, nameof(KvmVerdict.Refused))]
    public void What_open_says_is_the_verdict(int errno, string verdict)
    {
        using FakeKvm kvm = new() { OpenErrno = errno };
        KvmProbeResult result = KvmProbe.Run(kvm, Amd);
        Assert.Equal(verdict, result.Verdict.ToString());
        Assert.False(result.IsUsable);
        Assert.Equal(0, kvm.Held);
    }

    [Fact]
    public void Another_version_of_the_interface_is_too_old()
    {
        using FakeKvm kvm = new() { ApiVersion = 11 };
        KvmProbeResult result = KvmProbe.Run(kvm, Amd);
        Assert.Equal(KvmVerdict.TooOld, result.Verdict);
        Assert.Contains("11", result.Text, StringComparison.Ordinal);
        Assert.Equal(0, kvm.Held);
    }

    [Fact]
    public void A_missing_capability_is_named()
    {
        using FakeKvm kvm = new() { Lacks = KvmCap.SplitIrqchip };
        KvmProbeResult result = KvmProbe.Run(kvm, Amd);
        Assert.Equal(KvmVerdict.TooOld, result.Verdict);
        Assert.Contains("SplitIrqchip", result.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(KvmIoctl.CreateVm, 16, nameof(KvmVerdict.Busy))]
    [InlineData(KvmIoctl.CreateVm, 12, nameof(KvmVerdict.Refused))]
    [InlineData(KvmIoctl.CreateVcpu, 16, nameof(KvmVerdict.Busy))]
    [InlineData(KvmIoctl.SetUserMemoryRegion, 22, nameof(KvmVerdict.Refused))]
    [InlineData(KvmIoctl.SetSregs, 22, nameof(KvmVerdict.Refused))]
    [InlineData(KvmIoctl.Run, 14, nameof(KvmVerdict.Refused))]
    public void A_refused_call_is_the_verdict_and_nothing_stays_open(uint request, int errno, string verdict)
    {
        using FakeKvm kvm = new() { Refuses = (request, errno) };
        KvmProbeResult result = KvmProbe.Run(kvm, Amd);
        Assert.Equal(verdict, result.Verdict.ToString());
        Assert.Contains($"errno {errno}", result.Detail!, StringComparison.Ordinal);
        Assert.Equal(0, kvm.Held);
    }

    [Fact]
    public void A_run_that_does_not_come_back_is_interrupted_and_refused()
    {
        using FakeKvm kvm = new() { HangsAt = "int3" };
        KvmProbeResult result = KvmProbe.Run(kvm, Amd, TimeSpan.FromMilliseconds(500));
        Assert.Equal(KvmVerdict.Refused, result.Verdict);
        Assert.Equal("/dev/kvm does not work: it was asked to run a few instructions and did not come back within 0.5 s", result.Text);
        Assert.Equal(0, kvm.Held);
    }

    [Fact]
    public void A_run_that_nothing_interrupts_is_left_behind()
    {
        using ManualResetEventSlim deaf = new();
        using FakeKvm kvm = new() { HangsAt = "int3", Deaf = deaf };
        Assert.Equal(KvmVerdict.Refused, KvmProbe.Run(kvm, Amd, TimeSpan.FromMilliseconds(20)).Verdict);
        deaf.Set();
        SpinWait.SpinUntil(() => kvm.Held == 0);
    }

    [Fact]
    public void Every_verdict_has_a_word_of_its_own()
    {
        string[] words = [.. Enum.GetValues<KvmVerdict>().Select(verdict => new KvmProbeResult(verdict, Amd).Word)];
        Assert.Equal(words.Length, words.Distinct().Count());
    }

    [KvmFact]
    public void This_hosts_kvm_gets_the_verdict_that_its_module_leads_to()
    {
        ProbeSignals signals = ProbeSignals.Read();
        KvmProbeResult result = KvmProbe.Run(new DeviceCalls(), signals);
        Assert.Equal(signals.Module == "kvm_pvm" ? KvmVerdict.Pvm : KvmVerdict.Hardware, result.Verdict);
        // Both kinds execute what the emulator of every KVM knows.
        Assert.Contains("swapgs", result.Ran);
    }
}

/// <summary>A test that needs a /dev/kvm which this user may open.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class KvmFactAttribute : FactAttribute
{
    public KvmFactAttribute()
    {
        try
        {
            using FileStream device = new("/dev/kvm", FileMode.Open, FileAccess.ReadWrite);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            Skip = "There is no /dev/kvm that this user may open.";
        }
    }
}
