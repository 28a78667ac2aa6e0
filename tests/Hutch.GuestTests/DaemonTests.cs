using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Text;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary><c>hutch daemon</c> and the stock client virsh (package libvirt-clients), with a guest that is real.</summary>
public sealed class DaemonTests : IDisposable
{
    private const string Ready = "Listening on";

    private readonly TemporaryFolder _folder = new();
    private Process? _daemon;

    public DaemonTests() => Directory.CreateDirectory(_folder.File("run"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

    public void Dispose()
    {
        _daemon?.Kill();
        _daemon?.Dispose();
        _folder.Dispose();
    }

    [ToolTheory("virsh")]
    [InlineData("demo guest")]
    public async Task Virsh_defines_and_starts_a_guest_which_outlives_a_daemon_that_is_killed(string name)
    {
        await StartDaemonAsync();
        string document = _folder.File("demo.xml");
        File.WriteAllText(document, Document(name));
        Assert.Contains("defined from", await VirshAsync("define", document), StringComparison.Ordinal);
        Assert.Contains("shut off", await VirshAsync("domstate", name), StringComparison.Ordinal);
        Assert.Contains("started", await VirshAsync("start", name), StringComparison.Ordinal);
        await ConsoleAsync(name, async console =>
        {
            await WaitFor(console, "# ", "\n");
            await WaitFor(console, "=7=", "echo =$((3+4))=\n");
        });
        await VirshAsync("suspend", name);
        Assert.Contains("paused (user)", await VirshAsync("domstate", name, "--reason"), StringComparison.Ordinal);

        _daemon!.Kill();
        await _daemon.WaitForExitAsync();
        await StartDaemonAsync();

        Assert.Contains("paused", await VirshAsync("domstate", name), StringComparison.Ordinal);
        await VirshAsync("resume", name);
        Assert.Matches(@"(?m)^CPU\(s\):\s+2$", await VirshAsync("dominfo", name));
        string state = "";
        // The terminal ends with the machine: nothing more is read of it.
        await ConsoleAsync(name, async console =>
        {
            await console.WriteAsync("poweroff -f\n"u8.ToArray());
            for (int round = 0; round < 600 && !state.Contains("shut off", StringComparison.Ordinal); round++)
            {
                state = await VirshAsync("domstate", name, "--reason");
                await Task.Delay(100);
            }
        });
        Assert.Contains("shut off (shutdown)", state, StringComparison.Ordinal);
        Assert.Contains("started", await VirshAsync("start", name, "--paused"), StringComparison.Ordinal);
        Assert.Contains("destroyed", await VirshAsync("destroy", name), StringComparison.Ordinal);
        Assert.Contains("undefined", await VirshAsync("undefine", name), StringComparison.Ordinal);
        Assert.Equal("", (await VirshAsync("list", "--all", "--name")).Trim());
    }

    // The terminal that the domain's document names, as a program on the host opens it.
    private async Task ConsoleAsync(string name, Func<FileStream, Task> talk)
    {
        string path = (await VirshAsync("ttyconsole", name)).Trim();
        using FileStream console = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        await talk(console);
    }

    // Typed again and again: a guest that is still booting does not hear it.
    private static async Task WaitFor(FileStream console, string wanted, string typed)
    {
        StringBuilder seen = new();
        byte[] buffer = new byte[4096];
        long end = Environment.TickCount64 + 240_000;
        Task<int> reading = console.ReadAsync(buffer).AsTask();
        while (Environment.TickCount64 < end)
        {
            await console.WriteAsync(Encoding.ASCII.GetBytes(typed));
            while (await Task.WhenAny(reading, Task.Delay(3000)) == reading)
            {
                seen.Append(Encoding.ASCII.GetString(buffer, 0, await reading));
                reading = console.ReadAsync(buffer).AsTask();
                if (seen.ToString().Contains(wanted, StringComparison.Ordinal)) return;
            }
        }
        Assert.Fail($"The console did not show '{wanted}' but: {seen}");
    }

    private async Task StartDaemonAsync()
    {
        Dictionary<string, string> folders = new() { ["XDG_RUNTIME_DIR"] = _folder.File("run"), ["XDG_STATE_HOME"] = _folder.File("state") };
        _daemon = Launcher.Start(["daemon", "--listen", _folder.File("sock")], folders);
        // The first time it is built.
        while (await _daemon.StandardError.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(10)) is { } line)
            if (line.Contains(Ready, StringComparison.Ordinal) && line.Contains("-ro", StringComparison.Ordinal) == (Environment.UserName == "root")) return;
        Assert.Fail("The daemon ended.");
    }

    private static string Document(string name)
    {
        string folder = StockGuestImage.Prepare(Launcher.Cache);
        return $"""
            <domain type='qemu'>
              <name>{name}</name>
              <memory unit='MiB'>256</memory>
              <vcpu>2</vcpu>
              <os>
                <type arch='x86_64' machine='q35'>hvm</type>
                <kernel>{Path.Combine(folder, "vmlinuz")}</kernel>
                <initrd>{Path.Combine(folder, "initrd")}</initrd>
                <cmdline>console=ttyS0 quiet</cmdline>
              </os>
              <features><acpi/><apic/></features>
              <cpu mode='maximum'/>
              <devices>
                <console type='pty'/>
              </devices>
            </domain>
            """;
    }

    private async Task<string> VirshAsync(params string[] arguments)
    {
        using Process virsh = new()
        {
            StartInfo = new ProcessStartInfo("virsh", ["-c", $"qemu+unix:///system?socket={_folder.File("sock")}", .. arguments])
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
