using System.Linq;
using Hutch.Host.Trials;

namespace Hutch.Cli.Doctor;

/// <summary>What the kernel grants: control groups, io_uring, userfaultfd, Landlock, limits, the clock.</summary>
internal static class KernelChecks
{
    private static readonly string[] NeededControllers = ["cpu", "cpuset", "memory"];

    internal static FindingGroup Examine(HostFiles files, IHostTrials trials) => new("Kernel",
        [Groups(files, trials), IoUring(files, trials), Userfault(files, trials), Landlock(files, trials), OpenFiles(trials), Clock(trials)]);

    private static Finding Groups(HostFiles files, IHostTrials trials)
    {
        string? mount = ControlGroups.UnifiedMount(files);
        if (mount is null) return Finding.Note("cgroup", "control groups version 2 are not mounted", "boot with systemd.unified_cgroup_hierarchy=1, or mount -t cgroup2 none /sys/fs/cgroup");
        string? controllers = files.Text($"{mount}/cgroup.controllers");
        string[] held = [.. NeededControllers.Except(controllers?.Split(' ') ?? [])];
        if (held.Length > 0)
            return Finding.Note("cgroup", $"control groups version 2 are at {mount} but without {string.Join(", ", held)}, which version 1 holds or this container was not given", "boot with systemd.unified_cgroup_hierarchy=1");
        string? own = ControlGroups.OwnUnified(files);
        if (own is null) return Finding.Note("cgroup", "this process's control group lies outside of what is mounted here");
        string delegated = files.Text($"{own}/cgroup.controllers") ?? "";
        Trial made = trials.MakeDirectory(files.At($"{own}/hutch-doctor"));
        if (!made.Works)
            return Finding.Note("cgroup", $"control groups version 2 are there ({controllers}), but this user may make none in {own}", "start hutch with systemd-run --user --scope -p Delegate=yes");
        return Finding.Ok("cgroup", $"this user may make control groups in {own}, with controllers: {(delegated.Length == 0 ? "none" : delegated)}");
    }

    private static Finding IoUring(HostFiles files, IHostTrials trials)
    {
        Trial tried = trials.IoUring();
        if (tried.Works) return Finding.Ok("io_uring", "a request went through a ring");
        bool filtered = Capabilities.IsFiltered(files);
        const string Profile = "let the container's seccomp profile pass io_uring_setup, io_uring_enter and io_uring_register";
        return (tried.Errno, files.Number("/proc/sys/kernel/io_uring_disabled") ?? 0) switch
        {
            (Trial.NotPermitted, 2) => Finding.Note("io_uring", "the kernel forbids it to everybody (kernel.io_uring_disabled is 2)", "sysctl kernel.io_uring_disabled=0"),
            (Trial.NotPermitted, 1) => Finding.Note("io_uring", "the kernel forbids it to this user (kernel.io_uring_disabled is 1)", "sysctl kernel.io_uring_disabled=0, or join the group in kernel.io_uring_group"),
            (Trial.NotPermitted or Trial.NoSystemCall, _) when filtered => Finding.Note("io_uring", "a seccomp filter forbids it", Profile),
            (Trial.NoSystemCall, _) => Finding.Note("io_uring", "the kernel does not have it", "take a kernel of 5.4 or later with CONFIG_IO_URING"),
            (Trial.NoMemory, _) => Finding.Note("io_uring", "there is no memory to lock for a ring", "ulimit -l unlimited"),
            _ => Finding.Note("io_uring", $"it does not work: {tried.Reason}"),
        };
    }

    private static Finding Userfault(HostFiles files, IHostTrials trials)
    {
        if (trials.UserfaultOfKernel(files.At("/dev/userfaultfd")).Works) return Finding.Ok("userfaultfd", "page faults of user mode and of the kernel can be taken over");
        Trial user = trials.UserfaultOfUserMode();
        if (user.Works)
            return Finding.Note("userfaultfd", "page faults of user mode can be taken over, those of the kernel cannot", "sysctl vm.unprivileged_userfaultfd=1, or give this user /dev/userfaultfd");
        return user.Errno == Trial.NoSystemCall && !Capabilities.IsFiltered(files)
            ? Finding.Note("userfaultfd", "the kernel does not have it", "take a kernel with CONFIG_USERFAULTFD")
            : Finding.Note("userfaultfd", $"page faults cannot be taken over: {user.Reason}", Capabilities.IsFiltered(files) ? "let the container's seccomp profile pass userfaultfd" : "sysctl vm.unprivileged_userfaultfd=1");
    }

    private static Finding Landlock(HostFiles files, IHostTrials trials)
    {
        Trial asked = trials.Landlock();
        if (asked.Works) return Finding.Ok("landlock", $"ABI version {asked.Value}");
        return asked.Errno switch
        {
            Trial.NotSupported => Finding.Note("landlock", "the kernel has Landlock, but it is switched off", "put landlock into lsm= on the kernel's command line"),
            _ when Capabilities.IsFiltered(files) => Finding.Note("landlock", "a seccomp filter hides it, or the kernel does not have it", "let the container's seccomp profile pass landlock_create_ruleset"),
            _ => Finding.Note("landlock", "the kernel does not have Landlock", "take a kernel of 5.13 or later with CONFIG_SECURITY_LANDLOCK"),
        };
    }

    private static Finding OpenFiles(IHostTrials trials)
    {
        // The .NET runtime raises the soft limit to the hard one when a program starts.
        const ulong Plenty = 1024;
        ulong limit = trials.Limit(LimitedResource.OpenFiles).Soft;
        return limit >= Plenty
            ? Finding.Ok("nofile", $"{(limit == ulong.MaxValue ? "any number of" : limit)} open files are allowed")
            : Finding.Note("nofile", $"only {limit} open files are allowed, few for a machine with many disks", $"ulimit -Hn {Plenty}, or nofile in /etc/security/limits.conf (systemd: LimitNOFILE=)");
    }

    private static Finding Clock(IHostTrials trials)
    {
        Trial asked = trials.ClockSynchronised();
        if (asked.Works) return Finding.Ok("clock", "the kernel holds its clock for synchronised");
        return asked.Errno != 0
            ? Finding.Note("clock", $"the kernel does not say whether its clock is right: {asked.Reason}")
            : Finding.Note("clock", "the kernel says that nothing synchronises its clock, from which guests take their time", "install chrony, or timedatectl set-ntp true");
    }
}
