using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;

namespace Hutch.Dev.KvmLab.Inside;

/// <summary>What must hold on a host with hardware virtualisation. Each check throws <see cref="CheckException"/> when it does not, and returns what to say when it does.</summary>
internal static partial class LabChecks
{
    /// <summary>The checks by their names, in the order of their running.</summary>
    /// <param name="boots">How often the guest boots in a row.</param>
    internal static IReadOnlyList<(string Name, Func<string> Check)> All(int boots) =>
    [
        ("the doctor finds hardware KVM", DoctorFindsHardware),
        ("engine contract suite on kvm-amd", ContractHolds),
        ("boot on --engine kvm, 1 vCPU: clean dmesg, kvm-clock, disk, console", () => Boots(1, "kvm")),
        ("boot chosen by auto, 2 vCPUs: clean dmesg, kvm-clock, disk, console", () => Boots(2, "auto")),
        ("pause stands still, resume goes on", PauseAndResume),
        ("save on kvm, restore on kvm", () => Moves("kvm", "kvm")),
        ("a busy guest moves from software to kvm", () => Moves("software", "kvm")),
        ("a busy guest moves from kvm to software", () => Moves("kvm", "software")),
        ($"{boots} boots in a row, 1 and 2 vCPUs in turn", () => ManyBoots(boots)),
    ];

    private static string DoctorFindsHardware()
    {
        (_, string output) = ShellGuest.Run("hutch", "doctor");
        string line = output.Split('\n').FirstOrDefault(line => line.Contains(" kvm  ", StringComparison.Ordinal)) ?? "";
        return line.Contains("ok ", StringComparison.Ordinal) && line.Contains("hardware KVM", StringComparison.Ordinal) ? line.Trim() : throw new CheckException(output);
    }

    private static string ContractHolds()
    {
        (int status, string output) = ShellGuest.Run("dotnet", "/lab/tests/Hutch.Tests.dll", "kvm");
        string[] lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (status != 0) throw new CheckException(string.Join('\n', lines.Where(line => !line.StartsWith("passed", StringComparison.Ordinal))));
        return Counts().Match(lines[^1]) is { Success: true } match && match.Groups[1].Value != "0" ? lines[^1] : throw new CheckException($"No test ran:\n{output}");
    }

    private static string Boots(int vcpus, string engine)
    {
        string disk = "/tmp/check.img";
        using (FileStream file = File.Create(disk)) file.SetLength(8 << 20);
        using ShellGuest guest = ShellGuest.Boot("--engine", engine, "--cpus", $"{vcpus}", "--disk", disk);
        Equal($"{vcpus}", guest.Shell("nproc"));
        Equal("kvm-clock", guest.Shell("cat /sys/devices/system/clocksource/clocksource0/current_clocksource"));
        guest.Shell("echo written on kvm | dd of=/dev/vda bs=512 seek=9 conv=sync 2>/dev/null && sync");
        Equal("written on kvm", guest.Shell("dd if=/dev/vda bs=512 skip=9 count=1 2>/dev/null | head -n 1"));
        string log = guest.Shell("dmesg");
        if (!log.Contains("Hypervisor detected: KVM", StringComparison.Ordinal)) throw new CheckException($"The guest does not find itself on KVM:\n{log}");
        Clean(log);
        guest.PowerOff();
        byte[] image = File.ReadAllBytes(disk);
        if (!image.AsSpan(9 * 512).StartsWith("written on kvm\n"u8)) throw new CheckException("What the guest wrote is not in the image.");
        if (engine == "auto" && !guest.Transcript.Contains("Engine: kvm (hardware KVM", StringComparison.Ordinal)) throw new CheckException($"The choice was not said:\n{guest.Transcript}");
        return "";
    }

    private static string PauseAndResume()
    {
        using ShellGuest guest = ShellGuest.Boot("--engine", "kvm", "--name", "still");
        guest.Type("i=0; while :; do i=$((i+1)); echo step $i >/dev/null; done & sleep 1; echo begun");
        guest.WaitFor("begun\r\n");
        Done("hutch", "pause", "still");
        Contains("paused", Done("hutch", "status", "still"));
        Done("hutch", "resume", "still");
        Contains("running", Done("hutch", "status", "still"));
        Equal("42", guest.Shell("kill %1; echo $((6*7))"));
        Clean(guest.Shell("dmesg"));
        guest.PowerOff();
        return "";
    }

    /// <summary>A sum that a shell needs seconds for; the machine is saved in the midst of it.</summary>
    private static string Moves(string from, string to)
    {
        const int Rounds = 60000, Modulus = 1000003;
        (_, string verbs) = ShellGuest.Run("hutch", "--help");
        if (!verbs.Contains("restore", StringComparison.Ordinal)) throw new CheckException("this version of hutch has no 'save' and 'restore' yet", isSkip: true);
        string state = $"/tmp/{from}-{to}.state";
        using (ShellGuest guest = ShellGuest.Boot("--engine", from, "--name", "mover", "--cpu", "x86-64-v2"))
        {
            guest.Type($"i=0; s=7; while [ $i -lt {Rounds} ]; do s=$(((s*31+i)%{Modulus})); i=$((i+1)); [ $i = 1000 ] && echo half''way; done; echo res''ult $s");
            guest.WaitFor("halfway");
            Done("hutch", "save", "mover", state);
            guest.WaitForEnd();
            if (guest.Transcript.Contains("result ", StringComparison.Ordinal)) throw new CheckException("The sum was done before the machine was saved.");
        }
        long sum = 7;
        for (long i = 0; i < Rounds; i++) sum = (sum * 31 + i) % Modulus;
        using ShellGuest moved = ShellGuest.Restore(state, "--engine", to);
        moved.WaitFor($"result {sum}\r\n");
        moved.WaitFor("~ # ");
        Clean(moved.Shell("dmesg"));
        moved.PowerOff();
        return "";
    }

    private static string ManyBoots(int boots)
    {
        for (int boot = 1; boot <= boots; boot++)
        {
            using ShellGuest guest = ShellGuest.Boot("--engine", "kvm", "--cpus", $"{2 - boot % 2}");
            guest.PowerOff();
        }
        return $"{boots} of {boots}";
    }

    private static string Done(string program, params string[] arguments)
    {
        (int status, string output) = ShellGuest.Run(program, arguments);
        return status == 0 ? output : throw new CheckException($"{program} {string.Join(' ', arguments)} ended with status {status}: {output}");
    }

    private static void Clean(string log)
    {
        string[] complaints = [.. XsaveOfTheLab().Replace(log, "").Split('\n').Where(line => Complaint().IsMatch(line) && !LabsOwn().IsMatch(line))];
        if (complaints.Length > 0) throw new CheckException($"The guest's kernel complains:\n{string.Join('\n', complaints)}");
    }

    private static void Equal(string expected, string seen)
    {
        if (seen != expected) throw new CheckException($"expected '{expected}', seen '{seen}'");
    }

    private static void Contains(string expected, string seen)
    {
        if (!seen.Contains(expected, StringComparison.Ordinal)) throw new CheckException($"expected '{expected}' in: {seen}");
    }

    /// <summary>What a healthy kernel's log has no line of.</summary>
    [GeneratedRegex(@"WARNING|\bWARN\b|\bBUG\b|unstable|lockup|Hardware Error|\bMCE\b|Call Trace|Oops|stall|segfault|general protection")]
    private static partial Regex Complaint();

    /// <summary>
    /// What the lab's computer makes any guest say, one on QEMU too: its TSCs are clocks of busy threads, and its CPU is a Zen 1 whose microcode is not mended.
    /// </summary>
    [GeneratedRegex("TSC unstable due to|clocksource 'tsc' as unstable|Speculative Return Stack Overflow: WARNING")]
    private static partial Regex LabsOwn();

    /// <summary>
    /// The same: TCG does not give XSETBV to the hypervisor, so KVM does not learn which components are enabled and its CPUID leaf 0xd tells their size wrong.
    /// </summary>
    [GeneratedRegex(@"^[^\n]*cut here[^\n]*\n[^\n]*XSAVE consistency problem.*?end trace[^\n]*\n", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex XsaveOfTheLab();

    [GeneratedRegex(@"^(\d+) passed, 0 failed")]
    private static partial Regex Counts();
}
