using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Management.Hosts;
using Hutch.Model.Control;
using Hutch.Tests.Management;
using Xunit;

namespace Hutch.Tests.Daemon.Libvirt;

/// <summary>The stock client virsh (package libvirt-clients) against the daemon.</summary>
public sealed class VirshTests : IDisposable
{
    private readonly TestDaemon _daemon = new();

    public void Dispose() => _daemon.Dispose();

    [VirshFact]
    public async Task Virsh_lists_machines_and_has_them_pause_and_go_on()
    {
        using FakeMachine web = new(_daemon.Machines, "web"), db = new(_daemon.Machines, "db") { State = VmState.Paused };
        string listed = await VirshAsync("list", "--all");
        Assert.Matches($@"(?m)^ {Environment.ProcessId}\s+db\s+paused$", listed);
        Assert.Matches($@"(?m)^ {Environment.ProcessId}\s+web\s+running$", listed);
        Assert.Equal("db", (await VirshAsync("list", "--state-paused", "--name")).Trim());
        Assert.Equal("Domain 'web' suspended", (await VirshAsync("suspend", "web")).Trim());
        Assert.Equal("paused", (await VirshAsync("domstate", "web")).Trim());
        Assert.Equal("Domain 'web' resumed", (await VirshAsync("resume", "web")).Trim());
        Assert.Equal("Domain 'web' is being shutdown", (await VirshAsync("shutdown", "web")).Trim());
        Assert.Equal("Domain 'web' destroyed", (await VirshAsync("destroy", "web")).Trim());
        Assert.Equal(["pause", "resume", "powerdown", "quit"], web.Asked);
        Assert.Empty(_daemon.Log);
    }

    [VirshFact]
    public async Task Virsh_shows_and_changes_where_a_machine_runs()
    {
        using FakeMachine web = new(_daemon.Machines, "web");
        Assert.Matches(@"(?m)^CPU\(s\):\s+2$", await VirshAsync("dominfo", "web"));
        Assert.Matches(@"(?m)^VCPU:\s+1$[\s\S]*^CPU time:\s+0\.5s$[\s\S]*^CPU Affinity:\s+y", await VirshAsync("vcpuinfo", "web"));
        Assert.Matches(@"(?m)^ 1\s+0$", await VirshAsync("vcpupin", "web"));
        Assert.Matches(@"\*: 0", await VirshAsync("emulatorpin", "web"));
        Assert.Equal("4", (await VirshAsync("vcpucount", "web", "--maximum", "--live")).Trim());
        await VirshAsync("vcpupin", "web", "1", "0");
        await VirshAsync("emulatorpin", "web", "0", "--live");
        Assert.Equal(["set vcpu-pin=1=0", "set emulator-pin=0"], web.Asked.Where(asked => asked != "inspect"));
    }

    [VirshFact]
    public async Task Virsh_says_what_the_daemon_and_the_host_are()
    {
        Assert.Contains("Using API: QEMU 9.0.0", await VirshAsync("version"), StringComparison.Ordinal);
        Assert.Contains("Running hypervisor: QEMU 7.2.0", await VirshAsync("version"), StringComparison.Ordinal);
        Assert.Equal(Environment.MachineName, (await VirshAsync("hostname")).Trim());
        Assert.Matches($@"(?m)^CPU\(s\):\s+{HostNode.Read().OnlineCpus.Count}$", await VirshAsync("nodeinfo"));
        Assert.Matches($@"(?m)^CPUs online:\s+{HostNode.Read().OnlineCpus.Count}$", await VirshAsync("nodecpumap"));
        // The client's library makes its own code for "not supported" of that.
        Assert.Contains("error: unknown procedure: ", await VirshAsync("pool-list"), StringComparison.Ordinal);
    }

    private async Task<string> VirshAsync(params string[] arguments)
    {
        using Process virsh = new()
        {
            StartInfo = new ProcessStartInfo("virsh", ["-c", $"qemu+unix:///system?socket={_daemon.SocketPath}", .. arguments])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                Environment = { ["LC_ALL"] = "C" },
            },
        };
        virsh.Start();
        Task<string> output = virsh.StandardOutput.ReadToEndAsync(), errors = virsh.StandardError.ReadToEndAsync();
        await virsh.WaitForExitAsync();
        return await output + await errors;
    }
}

/// <summary>A test that wants the stock client.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class VirshFactAttribute : FactAttribute
{
    public VirshFactAttribute() => Skip = File.Exists("/usr/bin/virsh") ? null : "virsh is not installed; the package libvirt-clients has it.";
}
