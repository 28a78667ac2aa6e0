using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;

namespace Hutch.Cli.Doctor;

/// <summary>The host's CPU: what the kernel says that programs may use.</summary>
internal static class ProcessorChecks
{
    private const string CpuInfo = "/proc/cpuinfo", ClockSource = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

    // The x86-64 psABI's levels, in the words of /proc/cpuinfo; each includes those before.
    private static readonly (string Name, string[] Flags)[] Levels =
    [
        ("x86-64-v2", ["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"]),
        ("x86-64-v3", ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"]),
        ("x86-64-v4", ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]),
    ];

    // What makes hardware virtualisation fast: nested paging, tagged TLBs, interrupts without exits.
    private static readonly string[] Accelerations = ["ept", "vpid", "npt", "avic", "vnmi"];

    internal static FindingGroup Examine(HostFiles files, IHostTrials trials)
    {
        HashSet<string> flags = Flags(files);
        return new FindingGroup("Processor", [Processor(files, flags), SoftwareEngine(flags, trials), Virtualisation(flags), Tsc(files, flags)]);
    }

    /// <summary>The flags line of the first CPU.</summary>
    internal static HashSet<string> Flags(HostFiles files) => [.. files.Field(CpuInfo, "flags")?.Split(' ') ?? []];

    private static Finding Processor(HostFiles files, HashSet<string> flags)
    {
        if (!flags.Contains("lm"))
            return new Finding("cpu", Verdict.Missing, "this is no 64-bit x86 CPU, and hutch runs on no other", Essential: true);
        string level = "x86-64-v1";
        foreach ((string name, string[] needed) in Levels)
        {
            if (!needed.All(flags.Contains)) break;
            level = name;
        }
        int count = files.Lines(CpuInfo).Count(line => line.StartsWith("processor", StringComparison.Ordinal));
        return Finding.Ok("cpu", $"{files.Field(CpuInfo, "model name")}, {count} logical CPUs, {level}");
    }

    // What the software engine's own code uses beyond the baseline.
    private static Finding SoftwareEngine(HashSet<string> flags, IHostTrials trials)
    {
        const string Id = "engine-needs";
        if (!flags.Contains("xsave"))
            return new Finding(Id, Verdict.Missing, "the software engine needs a CPU with xsave, and this one lacks it", "use hardware KVM, or a CPU of 2011 or later", Essential: true);
        return trials.FsGsBase().Works
            ? Finding.Ok(Id, "xsave and fsgsbase, which the software engine uses, are there and enabled")
            : Finding.Note(Id, "programs may not use fsgsbase here: the software engine makes a system call for each switch of a guest's address space instead",
                "for a little more speed use a CPU of 2013 or later and Linux 5.9 or later, without nofsgsbase on its command line");
    }

    private static Finding Virtualisation(HashSet<string> flags)
    {
        string? extension = flags.Contains("vmx") ? "vmx" : flags.Contains("svm") ? "svm" : null;
        if (extension is not null)
        {
            ImmutableArray<string> found = [.. Accelerations.Where(flags.Contains)];
            string more = found.IsEmpty ? "no nested paging (ept, npt): guests will be slow" : $"with {string.Join(", ", found)}";
            return new Finding("virtualisation", flags.Contains("ept") || flags.Contains("npt") ? Verdict.Ok : Verdict.Note, $"the CPU has {extension}, {more}");
        }
        return flags.Contains("hypervisor")
            ? Finding.Note("virtualisation", "this host is a virtual machine itself and its CPU has neither vmx nor svm", "let its host pass the flag on (nested virtualisation; for QEMU: -cpu host)")
            : Finding.Note("virtualisation", "the CPU has neither vmx nor svm", "switch VT-x or SVM on in the firmware's set-up");
    }

    private static Finding Tsc(HostFiles files, HashSet<string> flags)
    {
        string source = files.Text(ClockSource) ?? "unknown";
        bool steady = flags.Contains("constant_tsc") && flags.Contains("nonstop_tsc");
        string text = $"the TSC {(steady ? "is constant and never stops" : "may change its rate or stop")}; the kernel's clock source is {source}";
        if (!steady) return Finding.Note("tsc", text);
        // Both are read without a system call; the others cost microseconds for each look at the clock.
        return source is "tsc" or "kvm-clock" or "hyperv_clocksource_tsc_page"
            ? Finding.Ok("tsc", text)
            : Finding.Note("tsc", text, $"look in dmesg for why the kernel left the TSC; echo tsc > {ClockSource} tries it again");
    }
}
