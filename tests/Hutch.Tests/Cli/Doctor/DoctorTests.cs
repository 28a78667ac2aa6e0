using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using Hutch.Cli.Commands;
using Hutch.Cli.Doctor;
using Hutch.Host.Trials;
using Xunit;

namespace Hutch.Tests.Cli.Doctor;

public sealed class DoctorTests : IDisposable
{
    private readonly DescribedHost _host = new();

    public void Dispose() => _host.Dispose();

    [Fact]
    public void A_good_host_has_nothing_to_mend()
    {
        _host.Put("/usr/share/seabios/bios.bin", Bios());
        _host.Put("/usr/share/OVMF/OVMF_CODE_4M.fd", Volume());
        DoctorReport report = _host.Examine();
        Assert.DoesNotContain(report.All, finding => finding.Verdict != Verdict.Ok || finding.Mend is not null);
        Assert.Equal("Machines run here, on KVM.", report.Sum);
        Assert.Equal(0, DoctorCommand.Status(report, ["kvm"]));
    }

    [Theory]
    // Every way in which /dev/kvm does not open.
    [InlineData("kvm", 2, "kvm-device", "there is no /dev/kvm", "modprobe kvm_intel")]
    [InlineData("kvm", 13, "kvm-device", "not for this user", "usermod -aG kvm me")]
    [InlineData("kvm", 1, "kvm-device", "may not open devices", "--device /dev/kvm")]
    [InlineData("kvm", 19, "kvm-device", "no driver", "modprobe kvm_intel")]
    [InlineData("tun", 2, "tun", "there is no /dev/net/tun", "modprobe tun")]
    [InlineData("tun", 13, "tun", "not for this user", "chmod 666")]
    [InlineData("vhost", 2, "vhost-net", "no vhost-net", "modprobe vhost_net")]
    [InlineData("vhost", 13, "vhost-net", "not for this user", "chgrp kvm")]
    [InlineData("io_uring", 38, "io_uring", "does not have it", "CONFIG_IO_URING")]
    [InlineData("io_uring", 12, "io_uring", "no memory to lock", "ulimit -l")]
    [InlineData("userfault-kernel", 1, "userfaultfd", "those of the kernel cannot", "vm.unprivileged_userfaultfd=1")]
    [InlineData("landlock", 38, "landlock", "does not have Landlock", "CONFIG_SECURITY_LANDLOCK")]
    [InlineData("landlock", 95, "landlock", "switched off", "lsm=")]
    [InlineData("clock", 0, "clock", "nothing synchronises its clock", "chrony")]
    [InlineData("fsync", 30, "disk", "takes no file", "XDG_CACHE_HOME")]
    [InlineData("thp", 0, "thp", "none was given", "compact_memory")]
    [InlineData("ksm", 22, "ksm", "does not merge", "CONFIG_KSM")]
    [InlineData("numa", 38, "numa", "no memory policies", "CONFIG_NUMA")]
    [InlineData("code", 13, "code-memory", "may not execute", "execmem")]
    [InlineData("fsgsbase", 0, "engine-needs", "may not use fsgsbase", "5.9")]
    [InlineData("mkdir", 13, "cgroup", "may make none", "Delegate=yes")]
    [InlineData("libslirp.so.0", 0, "libslirp", "does not load", "apt-get install libslirp0")]
    public void A_trial_that_fails_gives_its_line_and_its_mend(string trial, int errno, string id, string text, string mend)
    {
        if (trial == "tun") _host.Answers["tun-open"] = new Trial(false, errno);
        if (trial == "kvm" && errno is 2 or 19) _host.Remove("/sys/module/kvm_intel");
        _host.Put("/dev/kvm", "");
        _host.Answers[trial] = new Trial(false, errno);
        File.SetUnixFileMode(_host.Root + "/dev/kvm", (UnixFileMode)0x1b0);
        // The node belongs to the group of whoever runs the test; give that group the name that a host gives it.
        uint group = Hutch.Host.Files.FileOwner.Of(_host.Root + "/dev/kvm")!.Value.GroupId;
        _host.Put("/etc/group", $"kvm:x:{group}:");
        Finding finding = _host[id];
        Assert.NotEqual(Verdict.Ok, finding.Verdict);
        Assert.Contains(text, finding.Text, StringComparison.Ordinal);
        Assert.Contains(mend, finding.Mend!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 2, "to everybody", "kernel.io_uring_disabled=0")]
    [InlineData(0, 1, "to this user", "io_uring_group")]
    [InlineData(2, 0, "seccomp", "seccomp profile")]
    public void Whoever_forbids_io_uring_is_named(int seccomp, int disabled, string text, string mend)
    {
        _host.Answers["io_uring"] = new Trial(false, Trial.NotPermitted);
        _host.Put("/proc/self/status", $"Seccomp:\t{seccomp}");
        _host.Put("/proc/sys/kernel/io_uring_disabled", $"{disabled}\n");
        Assert.Contains(text, _host["io_uring"].Text, StringComparison.Ordinal);
        Assert.Contains(mend, _host["io_uring"].Mend!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lm svm npt xsave fsgsbase", "ok", "svm, with npt")]
    [InlineData("lm vmx xsave fsgsbase", "note", "guests will be slow")]
    [InlineData("lm xsave fsgsbase", "note", "neither vmx nor svm")]
    [InlineData("lm hypervisor xsave fsgsbase", "note", "virtual machine itself")]
    public void The_cpus_flags_decide_its_line(string flags, string verdict, string text)
    {
        _host.Put("/proc/cpuinfo", $"processor: 0\nflags: {flags}");
        Assert.Equal(verdict, _host["virtualisation"].Verdict.ToString().ToLowerInvariant());
        Assert.Contains(text, _host["virtualisation"].Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("i586 fpu", "cpu")]
    [InlineData("lm fsgsbase", "engine-needs")]
    public void A_cpu_that_the_engine_cannot_use_ends_it(string flags, string id)
    {
        _host.Put("/proc/cpuinfo", $"processor: 0\nflags: {flags}");
        DoctorReport report = _host.Examine();
        Assert.Contains(report.Obstacles, finding => finding.Id == id);
        Assert.Equal(1, DoctorCommand.Status(report, []));
    }

    [Theory]
    [InlineData(1 << 20, "ok")]
    [InlineData(300 << 10, "note")]
    [InlineData(20 << 10, "missing")]
    public void Memory_is_measured_against_guests(int kilobytes, string verdict)
    {
        _host.Put("/proc/meminfo", $"MemAvailable: {kilobytes} kB");
        Assert.Equal(verdict, _host["memory"].Verdict.ToString().ToLowerInvariant());
        Assert.Equal(verdict == "missing" ? 1 : 0, DoctorCommand.Status(_host.Examine(), []));
    }

    [Theory]
    [InlineData("/sys/fs/cgroup/user/me")]
    [InlineData("/sys/fs/cgroup/user")]
    public void A_control_groups_limit_counts_wherever_it_is_set(string group)
    {
        _host.Put($"{group}/memory.max", $"{200 << 20}");
        _host.Put($"{group}/memory.current", $"{180 << 20}");
        _host.Put($"{group}/memory.stat", $"anon 5\ninactive_file {10 << 20}\n");
        Finding memory = _host["memory"];
        Assert.Equal(Verdict.Missing, memory.Verdict);
        Assert.StartsWith("30 MiB are left in this process's control group", memory.Text, StringComparison.Ordinal);
        Assert.Contains("MemoryMax=", memory.Mend!, StringComparison.Ordinal);
    }

    [Fact]
    public void A_limit_of_version_1_counts_too()
    {
        _host.Put("/proc/self/cgroup", "4:memory:/docker/abc\n0::/");
        _host.Put("/proc/self/mountinfo", "2 1 0:5 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory");
        _host.Put("/sys/fs/cgroup/memory/memory.limit_in_bytes", $"{256 << 20}");
        _host.Put("/sys/fs/cgroup/memory/memory.usage_in_bytes", $"{56 << 20}");
        Assert.StartsWith("200 MiB are left", _host["memory"].Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Huge_pages_that_are_not_there_are_mended_with_the_right_number()
    {
        _host.Put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0");
        Assert.Contains("echo 264 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", _host["hugepages-2m"].Mend!, StringComparison.Ordinal);
        _host.Remove("/sys/kernel/mm/hugepages/hugepages-1048576kB");
        Assert.Equal(Verdict.Missing, _host["hugepages-1g"].Verdict);
    }

    [Theory]
    [InlineData("tmpfs", "rw", "note", "lies in memory")]
    [InlineData("overlay", "rw,volatile", "note", "fsync does nothing")]
    [InlineData("overlay", "rw", "note", "layer of a container")]
    [InlineData("ext4", "rw,nobarrier", "note", "without barriers")]
    [InlineData("nfs4", "rw", "note", "another computer")]
    [InlineData("xfs", "rw", "ok", "brought to the disk")]
    public void The_file_system_decides_what_fsync_is_worth(string type, string options, string verdict, string text)
    {
        _host.Put("/proc/self/mountinfo", $"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:5 / /home/me/.cache rw - {type} some {options}");
        Assert.Equal(verdict, _host["disk"].Verdict.ToString().ToLowerInvariant());
        Assert.Contains(text, _host["disk"].Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_probe_without_hardware_is_shown_with_its_mend()
    {
        _host.Probe = """{"verdict":"pvm","usable":false,"text":"PVM, cannot run a stock kernel","mend":"use another host","cpuMilliseconds":9}""";
        DoctorReport report = _host.Examine();
        Finding kvm = report.All.Single(finding => finding.Id == "kvm");
        Assert.Equal((Verdict.Missing, "PVM, cannot run a stock kernel", "use another host"), (kvm.Verdict, kvm.Text, kvm.Mend));
        Assert.Equal("Machines run here, on the software engine.", report.Sum);
        Assert.Equal(0, DoctorCommand.Status(report, []));
        Assert.Equal(1, DoctorCommand.Status(report, ["kvm"]));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("no json")]
    [InlineData("{}")]
    [InlineData("[1]")]
    public void A_vm_program_that_does_not_answer_ends_it(string? answer)
    {
        _host.Probe = answer;
        DoctorReport report = _host.Examine();
        Assert.Equal(["vmm"], report.Obstacles.Select(finding => finding.Id));
        Assert.Equal("No machine can run here; see vmm.", report.Sum);
    }

    [Fact]
    public void Firmware_that_is_something_else_is_not_taken_for_it()
    {
        _host.Put("/usr/share/seabios/bios-256k.bin", Volume());
        _host.Put("/usr/share/OVMF/OVMF_CODE_4M.fd", Bios());
        Assert.Equal(Verdict.Note, _host["seabios"].Verdict);
        Assert.Equal(Verdict.Note, _host["ovmf"].Verdict);
    }

    [Fact]
    public void Ids_are_unique_and_a_host_without_any_file_is_no_accident()
    {
        _host.Remove("/proc");
        _host.Remove("/sys");
        DoctorReport report = _host.Examine();
        List<string> ids = [.. report.All.Select(finding => finding.Id)];
        Assert.Equal(ids.Count, ids.Distinct().Count());
        Assert.Equal(1, DoctorCommand.Status(report, []));
    }

    [Fact]
    public void Text_and_json_say_the_same()
    {
        DoctorReport report = _host.Examine();
        StringWriter text = new();
        report.WriteText(text);
        using MemoryStream stream = new();
        report.WriteJson(stream);
        using JsonDocument json = JsonDocument.Parse(stream.ToArray());
        JsonElement[] checks = [.. json.RootElement.GetProperty("checks").EnumerateArray()];
        Assert.Equal(report.All.Count(), checks.Length);
        foreach (JsonElement check in checks)
        {
            string line = Assert.Single(text.ToString().Split('\n'), each => each.Contains($" {check.GetProperty("id").GetString()} ", StringComparison.Ordinal) && each.Contains(check.GetProperty("text").GetString()!, StringComparison.Ordinal));
            Assert.StartsWith($"  {check.GetProperty("verdict").GetString()}", line, StringComparison.Ordinal);
        }
        Assert.True(json.RootElement.GetProperty("machinesRun").GetBoolean());
        Assert.EndsWith(report.Sum + "\n", text.ToString(), StringComparison.Ordinal);
    }

    private static byte[] Bios()
    {
        byte[] image = new byte[256 << 10];
        image[^16] = 0xea;
        return image;
    }

    private static byte[] Volume()
    {
        byte[] image = new byte[1 << 20];
        "_FVH"u8.CopyTo(image.AsSpan(40));
        return image;
    }
}
