using System;
using System.IO;
using System.Linq;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>A test that reserves huge pages: root, and a kernel that has a pool.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class HugePageTheoryAttribute : TheoryAttribute
{
    public HugePageTheoryAttribute()
    {
        if (Environment.UserName != "root") Skip = "Only root can reserve huge pages.";
        else if (!File.Exists("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages")) Skip = "The kernel has no huge pages of 1 GiB.";
        else if (File.ReadLines("/proc/meminfo").First(line => line.StartsWith("MemAvailable:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1].Length < 7)
            Skip = "There is not enough memory for a huge page of 1 GiB.";
    }
}

/// <summary>A test that makes groups in the unified hierarchy.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class UnifiedGroupFactAttribute : FactAttribute
{
    public UnifiedGroupFactAttribute()
    {
        try
        {
            string probe = $"{Folder}/hutch-probe-{Environment.ProcessId}";
            Directory.CreateDirectory(probe);
            Directory.Delete(probe);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or NullReferenceException)
        {
            Skip = "This user may make no control group.";
        }
    }

    /// <summary>Where the hierarchy is mounted.</summary>
    public static string? Folder => File.ReadLines("/proc/self/mountinfo").FirstOrDefault(line => line.Contains(" - cgroup2 ", StringComparison.Ordinal))?.Split(' ')[4];
}

/// <summary>A test that needs programs of the host.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ToolTheoryAttribute : TheoryAttribute
{
    public ToolTheoryAttribute(params string[] tools)
    {
        string[] folders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", .. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')];
        foreach (string tool in tools)
            if (!folders.Any(folder => File.Exists(Path.Combine(folder, tool)))) Skip = $"The host has no {tool}.";
    }
}
