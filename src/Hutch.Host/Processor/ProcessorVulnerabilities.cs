using System;
using System.IO;

namespace Hutch.Host.Processor;

/// <summary>What the host's kernel says about speculation flaws of its CPU (/sys/devices/system/cpu/vulnerabilities).</summary>
public static class ProcessorVulnerabilities
{
    private const string Folder = "/sys/devices/system/cpu/vulnerabilities/";

    /// <summary>True when the kernel knows the flaw and says that this CPU does not have it; false also when it cannot be read.</summary>
    /// <param name="name">File name, for example <c>meltdown</c>.</param>
    public static bool IsNotAffected(string name)
    {
        try
        {
            return File.ReadAllText(Folder + name).StartsWith("Not affected", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
