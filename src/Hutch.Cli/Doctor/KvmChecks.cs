using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text.Json;
using Hutch.Host.Files;
using Hutch.Host.Trials;

namespace Hutch.Cli.Doctor;

/// <summary>/dev/kvm: whether it is there, may be used, and is any good; nested guests and IOMMU groups.</summary>
internal static class KvmChecks
{
    private const string Device = "/dev/kvm";

    internal static FindingGroup Examine(HostFiles files, IHostTrials trials)
    {
        Finding device = Node(files, trials);
        (Finding program, Finding quality) = Quality(trials);
        return new FindingGroup("Engines", [program, CodeMemory(trials), device, quality, Nested(files, quality), Iommu(files)]);
    }

    private static Finding Node(HostFiles files, IHostTrials trials)
    {
        Trial opened = trials.OpenDevice(files.At(Device));
        if (opened.Works) return Finding.Ok("kvm-device", $"{Device} opens for reading and writing");
        return opened.Errno switch
        {
            Trial.NoEntry => Finding.Missing("kvm-device", $"there is no {Device}", Absent(files)),
            Trial.AccessDenied => Finding.Missing("kvm-device", $"{Device} is there, but not for this user", Rights(files, trials)),
            Trial.NotPermitted => Finding.Missing("kvm-device", $"{Device} is there, but this process may not open devices", "give the container the device (docker run --device /dev/kvm)"),
            Trial.NoDevice or Trial.NoDeviceOrAddress => Finding.Missing("kvm-device", $"{Device} has no driver behind it", Absent(files)),
            _ => Finding.Missing("kvm-device", $"{Device} does not open: {opened.Reason}"),
        };
    }

    // The kernel's own names: a module that is loaded or built in has a folder in /sys/module.
    private static string Absent(HostFiles files)
    {
        HashSet<string> flags = ProcessorChecks.Flags(files);
        string? module = flags.Contains("vmx") ? "kvm_intel" : flags.Contains("svm") ? "kvm_amd" : null;
        if (files.Names("/sys/module").Any(name => name is "kvm_intel" or "kvm_amd" or "kvm_pvm"))
            return "the kernel has KVM, so /dev here is that of a container: give it the device (docker run --device /dev/kvm)";
        return module is null ? "the CPU offers no virtualisation, see above" : $"modprobe {module}; if that fails, switch virtualisation on in the firmware's set-up";
    }

    private static string Rights(HostFiles files, IHostTrials trials)
    {
        FileOwner? owner = FileOwner.Of(files.At(Device));
        if (owner is null) return "make it accessible to this user";
        string? group = files.Lines("/etc/group").Select(line => line.Split(':')).FirstOrDefault(parts => parts.Length > 2 && parts[2] == Text(owner.Value.GroupId))?[0];
        string? user = files.Lines("/etc/passwd").Select(line => line.Split(':')).FirstOrDefault(parts => parts.Length > 2 && parts[2] == Text(trials.UserId))?[0];
        // A group with the right to read and write, which this process is not in, and which is not the one of everything.
        if (group is not null and not "root" && owner.Value.GroupMayReadAndWrite && !trials.GroupIds.Contains(owner.Value.GroupId))
            return $"usermod -aG {group} {user ?? "USER"} as root, then log in again";
        return $"as root: chgrp kvm {Device} && chmod 660 {Device} && usermod -aG kvm {user ?? "USER"}, then log in again (udev's rule for kvm does the first two at each boot)";
    }

    private static (Finding Program, Finding Quality) Quality(IHostTrials trials)
    {
        string? json = trials.ProbeKvm(out string reason);
        if (json is null) return (Broken(reason), Finding.Missing("kvm", "not probed, for that is the VM program's work"));
        try
        {
            using JsonDocument answer = JsonDocument.Parse(json);
            JsonElement root = answer.RootElement;
            string text = root.GetProperty("text").GetString() ?? "";
            Verdict level = root.GetProperty("usable").GetBoolean() ? Verdict.Ok : Verdict.Missing;
            string? mend = root.TryGetProperty("mend", out JsonElement said) ? said.GetString() : null;
            return (Finding.Ok("vmm", $"the VM program starts and answers; it probed KVM in {root.GetProperty("cpuMilliseconds").GetDouble():0.0} ms of CPU time"), new Finding("kvm", level, text, mend));
        }
        catch (Exception wrong) when (wrong is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return (Broken($"its answer is not understood: {wrong.Message}"), Finding.Missing("kvm", "not probed"));
        }
    }

    private static Finding Broken(string reason) =>
        new("vmm", Verdict.Missing, $"the VM program does not start: {reason.TrimEnd('.')}", "start hutch through the launcher ./hutch, which builds both programs", Essential: true);

    private static Finding CodeMemory(IHostTrials trials)
    {
        Trial made = trials.CodeMemory();
        return made.Works
            ? Finding.Ok("code-memory", "code made at run time executes, as the software engine needs")
            : new Finding("code-memory", Verdict.Missing, $"code made at run time may not execute: {made.Reason}", "let the security policy allow executable shared memory (SELinux: execmem)", Essential: true);
    }

    private static Finding Nested(HostFiles files, Finding quality)
    {
        foreach (string module in new[] { "kvm_intel", "kvm_amd" })
        {
            string? value = files.Text($"/sys/module/{module}/parameters/nested");
            if (value is null) continue;
            return value is "Y" or "1"
                ? Finding.Ok("nested", $"guests may use KVM themselves ({module} nested={value})")
                : Finding.Note("nested", $"guests cannot use KVM themselves ({module} nested={value})", $"echo 'options {module} nested=1' > /etc/modprobe.d/kvm.conf and load the module again");
        }
        return Finding.Note("nested", quality.Verdict == Verdict.Ok ? "this KVM does not say whether it nests" : "no guest can use KVM itself: neither kvm_intel nor kvm_amd is loaded");
    }

    private static Finding Iommu(HostFiles files)
    {
        int groups = files.Names("/sys/kernel/iommu_groups").Count;
        if (groups > 0) return Finding.Ok("iommu", $"{groups} IOMMU groups: devices can be handed to guests");
        return Finding.Note("iommu", "no IOMMU groups, so no device can be handed to a guest", ProcessorChecks.Flags(files).Contains("hypervisor")
            ? "give this virtual machine an IOMMU (QEMU: -device intel-iommu or virtio-iommu)"
            : "switch VT-d or AMD-Vi on in the firmware's set-up, and boot with intel_iommu=on on Intel");
    }

    private static string Text(uint number) => number.ToString(CultureInfo.InvariantCulture);
}
