using System;
using System.IO;
using System.Linq;
using Hutch.Devices;

namespace Hutch.Vmm.Hosting;

/// <summary>The process's control group in the unified hierarchy (cgroups(7), version 2).</summary>
internal static class ControlGroup
{
    /// <summary>Moves this process, with all of its threads, into a group, which is made when it is not there. Throws <see cref="ConfigException"/>.</summary>
    /// <param name="path">Below the hierarchy's root, or an absolute path.</param>
    internal static void Join(string path)
    {
        string folder = Path.IsPathRooted(path) ? path : Path.Combine(Mount() ?? throw new ConfigException($"The control group '{path}' cannot be joined: control groups version 2 are not mounted; mount -t cgroup2 none /sys/fs/cgroup as root."), path);
        try
        {
            // Made only inside the hierarchy: elsewhere it would be an ordinary folder.
            string? existing = folder;
            while (existing is not null && !Directory.Exists(existing)) existing = Path.GetDirectoryName(existing);
            if (!File.Exists(Path.Combine(existing ?? "/", "cgroup.procs"))) throw new IOException("it is not in the hierarchy of control groups");
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, "cgroup.procs"), Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new ConfigException($"The control group '{folder}' cannot be joined: {refused.Message.TrimEnd('.')}; let its owner delegate it to this user, or choose another with --cgroup.", refused);
        }
    }

    /// <summary>The group that the process is in, as its path below the root; empty where the hierarchy is not mounted.</summary>
    internal static string Current
    {
        get
        {
            try
            {
                return File.ReadLines("/proc/self/cgroup").FirstOrDefault(line => line.StartsWith("0::", StringComparison.Ordinal))?[3..] ?? "";
            }
            catch (Exception absent) when (absent is IOException or UnauthorizedAccessException)
            {
                return "";
            }
        }
    }

    private static string? Mount() =>
        File.ReadLines("/proc/self/mountinfo").FirstOrDefault(line => line.Contains(" - cgroup2 ", StringComparison.Ordinal))?.Split(' ')[4];
}
