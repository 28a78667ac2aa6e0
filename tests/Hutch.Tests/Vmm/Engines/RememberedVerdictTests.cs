using System;
using System.IO;
using Hutch.Kvm.Probe;
using Hutch.Vmm.Engines;
using Xunit;

namespace Hutch.Tests.Vmm.Engines;

public sealed class RememberedVerdictTests : IDisposable
{
    private static readonly ProbeSignals Pvm = new(false, "kvm_pvm");
    private static readonly KvmProbeResult Found = new(KvmVerdict.Pvm, Pvm) { Ran = ["swapgs"], Failed = ["int3", "popcnt"], Detail = "int3: \"no\"" };

    private readonly string _folder = Directory.CreateTempSubdirectory("hutch-test-").FullName;

    private string File => Path.Combine(_folder, "new", "kvm-verdict.json");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_verdict_is_found_again()
    {
        new RememberedVerdict(File, "boot kernel 0").Keep(Found);
        KvmProbeResult? again = new RememberedVerdict(File, "boot kernel 0").Find(Pvm);
        Assert.NotNull(again);
        Assert.Equal(Found.Verdict, again.Verdict);
        Assert.Equal<string>(Found.Ran, again.Ran);
        Assert.Equal<string>(Found.Failed, again.Failed);
        Assert.Equal(Found.Detail, again.Detail);
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(File)!));
    }

    [Theory]
    [InlineData("other kernel 0", "kvm_pvm")]
    [InlineData("boot kernel 1", "kvm_pvm")]
    [InlineData("boot kernel 0", "kvm_amd")]
    [InlineData("boot kernel 0", null)]
    public void It_holds_for_its_boot_kernel_user_and_module_only(string host, string? module)
    {
        new RememberedVerdict(File, "boot kernel 0").Keep(Found);
        Assert.Null(new RememberedVerdict(File, host).Find(new ProbeSignals(false, module)));
    }

    [Theory]
    [InlineData(nameof(KvmVerdict.NoDevice))]
    [InlineData(nameof(KvmVerdict.NoRights))]
    [InlineData(nameof(KvmVerdict.TooOld))]
    [InlineData(nameof(KvmVerdict.Busy))]
    [InlineData(nameof(KvmVerdict.Refused))]
    public void What_can_be_mended_while_the_host_runs_is_not_remembered(string verdict)
    {
        new RememberedVerdict(File, "boot").Keep(new KvmProbeResult(Enum.Parse<KvmVerdict>(verdict), Pvm));
        Assert.False(System.IO.File.Exists(File));
    }

    [Fact]
    public void A_file_that_is_cut_off_at_any_place_is_ignored()
    {
        RememberedVerdict remembered = new(File, "boot");
        remembered.Keep(Found);
        byte[] whole = System.IO.File.ReadAllBytes(File);
        for (int length = 0; length < whole.Length; length++)
        {
            System.IO.File.WriteAllBytes(File, whole[..length]);
            Assert.Null(remembered.Find(Pvm));
        }
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("""{"host":"boot kvm_pvm","verdict":"splendid","ran":[],"failed":[],"detail":null}""")]
    [InlineData("""{"host":"boot kvm_pvm","verdict":"pvm","ran":5,"failed":[],"detail":null}""")]
    [InlineData("""{"host":"boot kvm_pvm","verdict":"no-device","ran":[],"failed":[],"detail":null}""")]
    [InlineData("""{"host":5,"verdict":"pvm","ran":[],"failed":[],"detail":null}""")]
    public void A_file_that_says_something_else_is_ignored(string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File)!);
        System.IO.File.WriteAllText(File, text);
        Assert.Null(new RememberedVerdict(File, "boot").Find(Pvm));
    }

    [Fact]
    public void Where_nothing_can_be_written_nothing_is_remembered()
    {
        System.IO.File.WriteAllText(Path.Combine(_folder, "new"), "in the way");
        RememberedVerdict remembered = new(File, "boot");
        remembered.Keep(Found);
        Assert.Null(remembered.Find(Pvm));
    }
}
