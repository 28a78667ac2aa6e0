using System;
using System.Collections.Generic;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Kvm;
using Hutch.Kvm.Probe;
using Hutch.Model.Machine;
using Hutch.Vmm.Engines;
using Xunit;

namespace Hutch.Tests.Vmm.Engines;

public sealed class EngineSelectionTests
{
    private static readonly ProbeSignals Amd = new(true, "kvm_amd"), Pvm = new(false, "kvm_pvm");

    private int _probes;

    [Fact]
    public void Auto_takes_kvm_where_it_is_hardware()
    {
        using ChosenEngine engine = Selection(new KvmProbeResult(KvmVerdict.Hardware, Amd)).Open(EngineChoice.Auto);
        Assert.Equal("kvm", engine.Hypervisor.Name);
        Assert.Equal("Engine: kvm (hardware KVM by kvm_amd).", engine.Sentence);
    }

    public static TheoryData<string> OtherVerdicts => [.. Others()];

    [Theory]
    [MemberData(nameof(OtherVerdicts))]
    public void Auto_takes_the_software_engine_for_every_other_verdict_and_says_why(string verdict)
    {
        KvmProbeResult result = new(Enum.Parse<KvmVerdict>(verdict), Pvm) { Failed = ["int3"] };
        using ChosenEngine engine = Selection(result).Open(EngineChoice.Auto);
        Assert.Equal("software", engine.Hypervisor.Name);
        Assert.Equal($"Engine: software ({result.Text}).", engine.Sentence);
    }

    [Fact]
    public void Auto_takes_the_software_engine_when_kvm_has_gone_since_it_was_proved()
    {
        using ChosenEngine engine = Selection(new KvmProbeResult(KvmVerdict.Hardware, Amd), noKvm: true).Open(EngineChoice.Auto);
        Assert.Equal("software", engine.Hypervisor.Name);
        Assert.Equal("Engine: software (There is none).", engine.Sentence);
    }

    [Fact]
    public void Who_insists_on_a_bad_kvm_gets_it_with_a_warning()
    {
        using ChosenEngine engine = Selection(new KvmProbeResult(KvmVerdict.Pvm, Pvm) { Failed = ["int3"] }).Open(EngineChoice.Kvm);
        Assert.Equal("kvm", engine.Hypervisor.Name);
        Assert.Contains("PVM, cannot run a stock kernel", engine.Sentence!, StringComparison.Ordinal);
    }

    [Fact]
    public void Who_insists_on_a_kvm_that_is_not_there_is_told() =>
        Assert.Throws<KvmUnavailableException>(() => Selection(new KvmProbeResult(KvmVerdict.NoDevice, Amd), noKvm: true).Open(EngineChoice.Kvm));

    [Fact]
    public void Who_wants_the_software_engine_pays_for_no_probe()
    {
        using ChosenEngine engine = Selection(new KvmProbeResult(KvmVerdict.Hardware, Amd)).Open(EngineChoice.Software);
        Assert.Equal("software", engine.Hypervisor.Name);
        Assert.Null(engine.Sentence);
        Assert.Equal(0, _probes);
    }

    private static List<string> Others()
    {
        List<string> others = [.. Enum.GetNames<KvmVerdict>()];
        others.Remove(nameof(KvmVerdict.Hardware));
        return others;
    }

    private EngineSelection Selection(KvmProbeResult result, bool noKvm = false) => new(() => result.Signals, _ =>
    {
        _probes++;
        return result;
    }, new RememberedVerdict(null, ""), () => noKvm ? throw new KvmUnavailableException("There is none.") : new Named("kvm"), () => new Named("software"), _ => { });

    private sealed class Named(string name) : IHypervisor
    {
        public string Name => name;

        public bool PrefersHugePages => false;

        public IVirtualMachine CreateMachine(GuestMemory memory, CpuTopology topology, CpuModel model) => throw new NotSupportedException();

        public void Dispose() { }
    }
}
