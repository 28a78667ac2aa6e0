using System;
using System.Collections.Generic;
using System.Linq;

namespace Hutch.Cli.Doctor;

/// <summary>A mounted file system, from /proc/self/mountinfo (proc(5)).</summary>
/// <param name="Root">Folder of the file system that is mounted.</param>
/// <param name="Point">Where it is mounted.</param>
/// <param name="Type">For example <c>ext4</c>.</param>
/// <param name="Source">Device or name.</param>
/// <param name="Options">Options of the mount and of the file system.</param>
internal sealed record Mount(string Root, string Point, string Type, string Source, string[] Options)
{
    /// <summary>All mounts, in order; a later one hides an earlier one at the same point.</summary>
    internal static IEnumerable<Mount> All(HostFiles files)
    {
        foreach (string line in files.Lines("/proc/self/mountinfo"))
        {
            string[] halves = line.Split(" - ", 2);
            string[] left = halves[0].Split(' '), right = halves.Length == 2 ? halves[1].Split(' ') : [];
            if (left.Length < 6 || right.Length < 3) continue;
            yield return new Mount(left[3], left[4].Replace("\\040", " ", StringComparison.Ordinal), right[0], right[1], [.. left[5].Split(','), .. right[2].Split(',')]);
        }
    }

    /// <summary>The mount that holds an absolute path.</summary>
    internal static Mount? Of(HostFiles files, string path) =>
        All(files).Where(mount => mount.Point == "/" || path == mount.Point || path.StartsWith(mount.Point + "/", StringComparison.Ordinal))
            .Aggregate((Mount?)null, (best, mount) => best is null || mount.Point.Length >= best.Point.Length ? mount : best);
}

/// <summary>The control groups of this process (cgroups(7)).</summary>
internal static class ControlGroups
{
    /// <summary>Where the unified hierarchy (version 2) is mounted, or null.</summary>
    internal static string? UnifiedMount(HostFiles files) => Mount.All(files).FirstOrDefault(mount => mount.Type == "cgroup2")?.Point;

    /// <summary>This process's group in the unified hierarchy, as a folder; null without one, or when it lies outside of what is mounted.</summary>
    internal static string? OwnUnified(HostFiles files)
    {
        string? mount = UnifiedMount(files);
        string? path = files.Lines("/proc/self/cgroup").FirstOrDefault(line => line.StartsWith("0::", StringComparison.Ordinal))?[3..];
        return mount is null || path is null || path.Contains("/..", StringComparison.Ordinal) ? null : Join(mount, path);
    }

    /// <summary>What the memory limits of this process's group and of those above it leave, in bytes; null without a limit. Page cache counts as left.</summary>
    internal static ulong? MemoryRoom(HostFiles files)
    {
        ulong? room = null;
        if (OwnUnified(files) is { } own)
            room = Least(files, UnifiedMount(files)!, own, "memory.max", "memory.current", "inactive_file");
        Mount? mount = Mount.All(files).FirstOrDefault(each => each.Type == "cgroup" && each.Options.Contains("memory"));
        string? path = files.Lines("/proc/self/cgroup").Select(line => line.Split(':', 3)).FirstOrDefault(parts => parts.Length == 3 && parts[1].Split(',').Contains("memory"))?[2];
        if (mount is null || path is null || path.Contains("/..", StringComparison.Ordinal)) return room;
        // A container may have its own group mounted in the place of the root.
        if (mount.Root != "/" && path.StartsWith(mount.Root, StringComparison.Ordinal)) path = path[mount.Root.Length..];
        ulong? first = Least(files, mount.Point, Join(mount.Point, path), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file");
        return room is null || first < room ? first : room;
    }

    private static string Join(string mount, string path) => (mount + path).TrimEnd('/');

    private static ulong? Least(HostFiles files, string mount, string group, string limitFile, string usedFile, string cacheField)
    {
        ulong? least = null;
        for (string folder = group; folder.Length >= mount.Length; folder = folder[..folder.LastIndexOf('/')])
        {
            // "max" is no number; version 1 writes a huge one.
            if (files.Number($"{folder}/{limitFile}") is not { } limit || limit <= 0 || limit >= long.MaxValue >> 1) continue;
            long cache = files.Lines($"{folder}/memory.stat").Where(line => line.StartsWith(cacheField + " ", StringComparison.Ordinal))
                .Select(line => long.TryParse(line[(cacheField.Length + 1)..], out long value) ? value : 0).FirstOrDefault();
            long used = Math.Max(0, (files.Number($"{folder}/{usedFile}") ?? 0) - cache);
            ulong left = (ulong)Math.Max(0, limit - used);
            if (least is null || left < least) least = left;
        }
        return least;
    }
}
