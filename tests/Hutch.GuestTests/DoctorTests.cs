using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary><c>hutch doctor</c> on this host, and on what a namespace makes of it.</summary>
public sealed class DoctorTests
{
    // A /dev with only what every program needs; binding existing nodes needs no right to make new ones.
    private const string BareDevices =
        "set -e; new=$(mktemp -d); mount -t tmpfs none $new; for node in null zero random urandom tty; do : >$new/$node; mount --bind /dev/$node $new/$node; done; mount --move $new /dev; rmdir $new; ";

    [Fact]
    public async Task On_this_host_machines_run_and_kvm_gets_its_name()
    {
        (int status, string output, string errors) = await Launcher.Run("doctor");
        Assert.Equal("", errors);
        Assert.Equal(0, status);
        Assert.Matches("\nMachines run here, on (KVM|the software engine)\\.\n$", output);
        if (Directory.Exists("/sys/module/kvm_pvm") && CanOpen("/dev/kvm"))
            Assert.Contains("PVM, cannot run a stock kernel", Line(output, "kvm"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_it_says_of_this_host_is_so()
    {
        (_, string output, _) = await Launcher.Run("doctor", "--json");
        using JsonDocument json = JsonDocument.Parse(output);
        bool Is(string id) => json.RootElement.GetProperty("checks").EnumerateArray().Single(check => check.GetProperty("id").GetString() == id).GetProperty("verdict").GetString() == "ok";
        Assert.Equal(CanOpen("/dev/kvm"), Is("kvm-device"));
        Assert.Equal(File.ReadAllText("/proc/cpuinfo").Split('\n').First(line => line.StartsWith("flags", StringComparison.Ordinal)).Split(' ').Any(flag => flag is "vmx" or "svm"), Is("virtualisation"));
        Assert.Equal(Directory.Exists("/sys/kernel/iommu_groups") && Directory.GetDirectories("/sys/kernel/iommu_groups").Length > 0, Is("iommu"));
        Assert.Equal(File.ReadAllText("/sys/kernel/mm/ksm/run").Trim() == "1", Is("ksm"));
        Assert.Equal(File.Exists("/usr/share/seabios/bios-256k.bin") || File.Exists("/usr/share/seabios/bios.bin") || File.Exists("/usr/share/qemu/bios.bin"), Is("seabios"));
    }

    [Fact]
    public async Task What_is_required_and_missing_fails()
    {
        Assert.Equal(0, (await Launcher.Run("doctor", "--require", "code-memory")).Status);
        (int status, _, string errors) = await Launcher.Run("doctor", "--require", "abacus");
        Assert.Equal(2, status);
        Assert.Contains("--require 'abacus'", errors, StringComparison.Ordinal);
    }

    [NamespaceFact]
    public async Task Without_the_nodes_in_dev_it_says_so_and_exits_as_required()
    {
        (int status, string output) = await InNamespace("-m", BareDevices + "exec \"$0\" doctor");
        Assert.Equal(0, status);
        Assert.Matches("  missing  kvm-device .*there is no /dev/kvm; mend: ", output);
        Assert.Matches("  missing  kvm .*there is no /dev/kvm; mend: ", output);
        Assert.Matches("  missing  tun .*there is no /dev/net/tun; mend: modprobe tun", output);
        Assert.Equal(1, (await InNamespace("-m", BareDevices + "exec \"$0\" doctor --require kvm")).Status);
    }

    [RootFact]
    public async Task Without_rights_it_names_the_user_and_the_group()
    {
        // Other tests use the real node, so a node of the same driver stands in for it: with a group that may use it, which nobody is in.
        string own = BareDevices + "mknod /dev/kvm c 10 232; chgrp 7 /dev/kvm; chmod 660 /dev/kvm; ";
        (int status, string output) = await InNamespace("-m", own + "exec setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent \"$0\" doctor");
        Assert.Equal(0, status);
        Assert.Matches("  missing  kvm-device .*not for this user; mend: usermod -aG lp nobody", output);
        Assert.Matches("  missing  kvm .*not for this user", output);
        Assert.Matches("  note     memlock .*may be locked", output);
    }

    [NamespaceFact]
    public async Task Without_the_right_to_make_interfaces_it_says_which_right()
    {
        (int status, string output) = await InNamespace("-m", "exec setpriv --bounding-set -net_admin --inh-caps -net_admin \"$0\" doctor");
        Assert.Equal(0, status);
        if (CanOpen("/dev/net/tun")) Assert.Matches("  note     tun .*needs CAP_NET_ADMIN; mend: .*ip tuntap add", output);
        else Assert.Matches("  missing  tun .*; mend: ", output);
    }

    [NamespaceFact]
    public async Task With_little_memory_it_says_how_little()
    {
        // What a container's view of /proc does (lxcfs): the kernel's own figures, replaced.
        string little = "set -e; t=$(mktemp); sed 's/^MemAvailable:.*/MemAvailable: 40960 kB/' /proc/meminfo >$t; mount --bind $t /proc/meminfo; rm $t; ";
        (int status, string output) = await InNamespace("-m", little + "exec \"$0\" doctor");
        Assert.Equal(1, status);
        Assert.Matches("  missing  memory .*40 MiB are free: too little .*; mend: ", output);
        Assert.EndsWith("No machine can run here; see memory.\n", output, StringComparison.Ordinal);
    }

    [MemoryGroupFact]
    public async Task A_control_group_with_little_memory_is_seen()
    {
        string group = $"{MemoryGroupFactAttribute.Folder}/hutch-test-{Environment.ProcessId}";
        Directory.CreateDirectory(group);
        try
        {
            // More than the program needs itself, less than it and the guest of 'hutch run' need.
            await File.WriteAllTextAsync($"{group}/{MemoryGroupFactAttribute.Limit}", $"{300 << 20}");
            (int status, string output) = await InNamespace("-m", $"echo $$ > {group}/cgroup.procs; exec \"$0\" doctor");
            Assert.Equal(0, status);
            Assert.Matches("  note     memory .* MiB are left in this process's control group: less than .*; mend: ", output);
        }
        finally
        {
            Directory.Delete(group);
        }
    }

    private static string Line(string output, string id) => output.Split('\n').Single(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, { } name, ..] && name == id);

    /// <summary>Runs a script with its own namespaces; $0 is the launcher. The launcher builds nothing any more.</summary>
    private static async Task<(int Status, string Output)> InNamespace(string namespaces, string script)
    {
        await Launcher.Run("doctor", "--help");
        string[] user = Environment.UserName == "root" ? [] : ["-U", "-r"];
        using Process process = Process.Start(new ProcessStartInfo("unshare", [.. user, namespaces, "sh", "-c", script, Path.Combine(Launcher.Root, "hutch")])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/",
        })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        await Launcher.WaitForExit(process, TimeSpan.FromSeconds(60));
        return (process.ExitCode, await output + await errors);
    }

    internal static bool CanOpen(string path)
    {
        try
        {
            using FileStream device = new(path, FileMode.Open, FileAccess.ReadWrite);
            return true;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}

/// <summary>A test that needs a mount namespace.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NamespaceFactAttribute : FactAttribute
{
    public NamespaceFactAttribute()
    {
        string[] user = Environment.UserName == "root" ? [] : ["-U", "-r"];
        try
        {
            using Process process = Process.Start(new ProcessStartInfo("unshare", [.. user, "-m", "true"]) { RedirectStandardError = true })!;
            process.WaitForExit();
            if (process.ExitCode != 0) Skip = "This user may make no mount namespace.";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Skip = "The program unshare is not installed.";
        }
    }
}

/// <summary>A test that needs root: it becomes another user.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute()
    {
        if (Environment.UserName != "root") Skip = "Only root can become another user.";
    }
}

/// <summary>A test that limits the memory of a control group of its own.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class MemoryGroupFactAttribute : FactAttribute
{
    private const string Version1 = "/sys/fs/cgroup/memory", Version2 = "/sys/fs/cgroup";

    public MemoryGroupFactAttribute()
    {
        string probe = $"{Folder}/hutch-probe-{Environment.ProcessId}";
        try
        {
            Directory.CreateDirectory(probe);
            if (!File.Exists($"{probe}/{Limit}")) Skip = "There is no memory controller for groups of this user.";
            Directory.Delete(probe);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            Skip = "This user may make no control group.";
        }
    }

    /// <summary>Where memory groups are.</summary>
    public static string Folder => Directory.Exists(Version1) ? Version1 : Version2;

    /// <summary>The file with the limit.</summary>
    public static string Limit => Directory.Exists(Version1) ? "memory.limit_in_bytes" : "memory.max";
}
