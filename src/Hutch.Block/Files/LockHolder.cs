using System;
using System.Globalization;
using System.IO;
using Hutch.Host.Files;
using Hutch.Model.Control;

namespace Hutch.Block.Files;

/// <summary>Finds out who has an image locked. The locks carry no process id, so that the holder is looked for among those who have the file open.</summary>
internal static class LockHolder
{
    private const int MostCommandLetters = 120;

    /// <summary>
    /// Names another process that holds locks on the file, or, where none can be seen to, one that has it open: its id, its command and, for a machine of ours,
    /// the machine's name. Null where none can be found, for example because it belongs to another user or runs on another host.
    /// </summary>
    internal static string? Find(DiskFile file)
    {
        string? opener = null;
        try
        {
            foreach (string process in Directory.EnumerateDirectories("/proc"))
            {
                if (!int.TryParse(Path.GetFileName(process), NumberStyles.None, CultureInfo.InvariantCulture, out int pid) || pid == Environment.ProcessId) continue;
                if (Look(process, file) is not bool locks) continue;
                string found = Describe(process, pid);
                if (locks) return found;
                opener ??= found;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Only the name is lost.
        }
        return opener;
    }

    // Whether the process has image locks on the file; null where it does not have it open.
    private static bool? Look(string process, DiskFile file)
    {
        bool? locks = null;
        try
        {
            string? target = file.IsAt(file.Path) ? Resolve(file.Path) : null;
            foreach (string descriptor in Directory.EnumerateFileSystemEntries($"{process}/fd"))
            {
                // The name is a quick look; only what may be the file is examined, for that can wait for a dead server.
                string? link = new FileInfo(descriptor).LinkTarget;
                if (link is null || !link.StartsWith('/') || (target is not null && link != target && Path.GetFileName(link) != Path.GetFileName(target))) continue;
                if (!file.IsAt(descriptor)) continue;
                locks = locks == true || HasLocks($"{process}/fdinfo/{Path.GetFileName(descriptor)}");
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The process ended, or belongs to another user.
        }
        return locks;
    }

    private static string Resolve(string path)
    {
        string full = Path.GetFullPath(path);
        return File.ResolveLinkTarget(full, returnFinalTarget: true)?.FullName ?? full;
    }

    private static bool HasLocks(string descriptorInfo)
    {
        foreach (string line in File.ReadLines(descriptorInfo))
            if (line.StartsWith("lock:", StringComparison.Ordinal)) return true;
        return false;
    }

    private static string Describe(string process, int pid)
    {
        string command = KernelFile.Text($"{process}/cmdline")?.Replace('\0', ' ').Trim() ?? "";
        if (command.Length == 0) command = KernelFile.Text($"{process}/comm") ?? "?";
        if (command.Length > MostCommandLetters) command = $"{command[..MostCommandLetters]}…";
        foreach (char letter in command)
            if (char.IsControl(letter)) command = command.Replace(letter, ' ');
        string who = string.Create(CultureInfo.InvariantCulture, $"process {pid} ({command})");
        return MachineOf(process) is string machine ? $"the machine \"{machine}\", {who}" : who;
    }

    // A machine's process holds the lock of its name open: <runtime directory>/hutch/<name>/lock.
    private static string? MachineOf(string process)
    {
        try
        {
            foreach (string descriptor in Directory.EnumerateFileSystemEntries($"{process}/fd"))
            {
                string? link = new FileInfo(descriptor).LinkTarget;
                if (link is null || Path.GetFileName(link) != VmName.LockFile) continue;
                string? folder = Path.GetDirectoryName(link);
                if (!(Path.GetFileName(Path.GetDirectoryName(folder)) ?? "").StartsWith("hutch", StringComparison.Ordinal)) continue;
                string name = Path.GetFileName(folder) ?? "";
                if (VmName.IsValid(name)) return name;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Only the name is lost.
        }
        return null;
    }
}
