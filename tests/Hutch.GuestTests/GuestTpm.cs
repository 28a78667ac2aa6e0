using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>A TPM for a guest, by swtpm. Where that is not installed nothing here does anything; a test of Hutch.Tests is skipped then and says so.</summary>
internal sealed class GuestTpm(TemporaryFolder folder)
{
    private const string Sysfs = "/sys/class/tpm/tpm0";

    // TPM2_PCR_Extend of PCR 16 by 32 digits, with a session that an empty password opens (TPM 2.0 Part 3 §22.2).
    private const string Extend = @"\200\002\000\000\000\101\000\000\001\202\000\000\000\020\000\000\000\011\100\000\000\011\000\000\000\000\000\000\000\000\001\000\013%032d";

    private readonly bool _isInstalled = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(static path => File.Exists(Path.Combine(path, "swtpm")));

    private string Socket => folder.File("tpm");

    /// <summary>The options of <c>hutch run</c> that add it.</summary>
    internal string[] Options => _isInstalled ? ["--device", $"tpm-crb,path={Socket}"] : [];

    /// <summary>Starts swtpm with a state of its own. It ends with its machine.</summary>
    internal void Start(string state)
    {
        if (!_isInstalled) return;
        // The one before removes its socket when it ends, and its machine may have been faster.
        Assert.True(SpinWait.SpinUntil(() => !File.Exists(Socket), 20_000));
        string directory = Directory.CreateDirectory(folder.File(state)).FullName;
        using Process process = Process.Start("swtpm", ["socket", "--tpm2", "--ctrl", $"type=unixio,path={Socket}", "--tpmstate", $"dir={directory}", "--daemon", "--terminate"]);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    /// <summary>The guest's driver finds it and measures something; returns the register's value.</summary>
    internal async Task<string> Measure(Vm vm)
    {
        if (!_isInstalled) return "";
        Assert.Equal("2", await vm.Shell($"cat {Sysfs}/tpm_version_major"));
        Assert.Equal(64, (await vm.Shell($"cat {Sysfs}/pcr-sha256/0")).Length);
        Assert.Equal(new string('0', 64), await Read(vm));
        await vm.Shell($"printf '{Extend}' 0 >/dev/tpm0");
        string measured = await Read(vm);
        Assert.NotEqual(new string('0', 64), measured);
        return measured;
    }

    /// <summary>The register that was measured into.</summary>
    internal async Task<string> Read(Vm vm) => _isInstalled ? await vm.Shell($"cat {Sysfs}/pcr-sha256/16") : "";
}
