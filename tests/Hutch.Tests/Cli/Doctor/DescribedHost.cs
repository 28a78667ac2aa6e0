using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Hutch.Cli.Doctor;
using Hutch.Host.Trials;

namespace Hutch.Tests.Cli.Doctor;

/// <summary>A host that a test describes: files in a folder, and answers to the trials. Unchanged it is a good host with hardware KVM.</summary>
internal sealed class DescribedHost : IHostTrials, IDisposable
{
    private const string Meminfo = "MemTotal:       16000000 kB\nMemAvailable:   12000000 kB";

    internal DescribedHost()
    {
        Put("/proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: lm vmx ept xsave fsgsbase constant_tsc nonstop_tsc cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3\nprocessor\t: 1");
        Put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
        Put("/proc/meminfo", Meminfo);
        Put("/proc/self/status", "CapEff:\t0000000000000000\nSeccomp:\t0");
        Put("/proc/self/cgroup", "0::/user/me");
        Put("/proc/self/mountinfo", "1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n2 1 0:5 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw");
        Put("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory");
        Put("/sys/fs/cgroup/user/me/cgroup.controllers", "cpu memory");
        Put("/sys/kernel/iommu_groups/0/type", "DMA");
        Put("/sys/module/kvm_intel/parameters/nested", "Y");
        Put("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never");
        Put("/sys/kernel/mm/ksm/run", "1");
        Put("/sys/kernel/mm/ksm/pages_sharing", "512");
        foreach (string size in new[] { "2048", "1048576" })
        {
            Put($"/sys/kernel/mm/hugepages/hugepages-{size}kB/nr_hugepages", "8");
            Put($"/sys/kernel/mm/hugepages/hugepages-{size}kB/free_hugepages", "4");
        }
        Put("/sys/devices/system/node/node0/meminfo", "Node 0 MemFree: 5000000 kB");
        Put("/etc/group", "root:x:0:\nkvm:x:105:");
        Put("/etc/passwd", "me:x:1000:1000::/home/me:/bin/sh");
        Put("/home/me/.cache/hutch/x", "");
    }

    /// <summary>Where the files are.</summary>
    internal string Root { get; } = Directory.CreateTempSubdirectory("hutch-host-").FullName;

    /// <summary>Answers to trials, by their names; a trial without one succeeds.</summary>
    internal Dictionary<string, Trial> Answers { get; } = [];

    internal Dictionary<LimitedResource, ulong> Limits { get; } = [];

    internal string? Probe { get; set; } = """{"verdict":"hardware","usable":true,"text":"hardware KVM by kvm_intel","cpuMilliseconds":1.5}""";

    /// <summary>Writes a file of the host.</summary>
    internal void Put(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Root + path)!);
        File.WriteAllText(Root + path, text);
    }

    /// <summary>Writes a file of the host.</summary>
    internal void Put(string path, byte[] content)
    {
        Put(path, "");
        File.WriteAllBytes(Root + path, content);
    }

    /// <summary>Takes a file or a folder away.</summary>
    internal void Remove(string path)
    {
        if (Directory.Exists(Root + path)) Directory.Delete(Root + path, recursive: true);
        else File.Delete(Root + path);
    }

    internal DoctorReport Examine() => DoctorReport.Examine(new HostFiles(Root), this, "/home/me/.cache/hutch");

    /// <summary>One line of the report.</summary>
    internal Finding this[string id] => Examine().All.Single(finding => finding.Id == id);

    public Trial OpenDevice(string path) => Answer(path.EndsWith("kvm", StringComparison.Ordinal) ? "kvm" : "tun-open");

    public Trial MakeInterface(string path) => Answer("tun");

    public Trial Vhost(string path) => Answer("vhost");

    public Trial IoUring() => Answer("io_uring");

    public Trial UserfaultOfUserMode() => Answer("userfault");

    public Trial UserfaultOfKernel(string path) => Answer("userfault-kernel");

    public Trial Landlock() => Answers.GetValueOrDefault("landlock", new Trial(true, Value: 4));

    public Trial HugePage(ulong pageBytes) => Answer("hugepage");

    public Trial TransparentHugePage() => Answer("thp");

    public Trial Mergeable() => Answer("ksm");

    public Trial MemoryPolicy() => Answer("numa");

    public Trial CodeMemory() => Answer("code");

    public Trial FsGsBase() => Answer("fsgsbase");

    public Trial ClockSynchronised() => Answer("clock");

    public Trial Fsync(string directory) => Answer("fsync");

    public Trial MakeDirectory(string path) => Answer("mkdir");

    public ProcessLimit Limit(LimitedResource resource) => new(Limits.GetValueOrDefault(resource, ulong.MaxValue), ulong.MaxValue);

    public string? Library(string library, string versionFunction) => Answers.ContainsKey(library) ? null : "1.0";

    public uint UserId => 1000;

    public uint[] GroupIds => [1000];

    public string? ProbeKvm(out string reason)
    {
        reason = Probe is null ? "it ended with status 134" : "";
        return Probe;
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);

    private Trial Answer(string name) => Answers.GetValueOrDefault(name, new Trial(true));
}
