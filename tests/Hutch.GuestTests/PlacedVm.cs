using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;

namespace Hutch.GuestTests;

/// <summary>A machine whose guest is one endless loop, and what /proc says of its process.</summary>
internal sealed class PlacedVm : IAsyncDisposable
{
    private readonly Process _process;
    private readonly string _name;

    private PlacedVm(Process process, string name) => (_process, _name) = (process, name);

    /// <summary>CPUs that this process, and so every machine that it starts, may use.</summary>
    internal static string OwnCpus => Field("/proc/self/status", "Cpus_allowed_list");

    internal int ProcessId => _process.Id;

    /// <summary>Threads by id and name.</summary>
    internal IEnumerable<(int Id, string Name)> Threads
    {
        get
        {
            foreach (string folder in Directory.GetDirectories($"/proc/{ProcessId}/task"))
            {
                string name;
                try
                {
                    name = File.ReadAllText($"{folder}/comm").Trim();
                }
                catch (IOException)
                {
                    // It has ended meanwhile.
                    continue;
                }
                yield return (int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture), name);
            }
        }
    }

    /// <summary>The lines of /proc/PID/smaps about guest RAM, which is the mapping of the guest's size, the first line first.</summary>
    internal string[] RamLines
    {
        get
        {
            long kilobytes = MemoryMib << 10;
            string[] lines = File.ReadAllLines($"/proc/{ProcessId}/smaps");
            int size = Array.FindIndex(lines, line => line.StartsWith("Size:", StringComparison.Ordinal) && Kilobytes(line) == kilobytes);
            int end = Array.FindIndex(lines, size, line => line.StartsWith("VmFlags:", StringComparison.Ordinal));
            return lines[(size - 1)..(end + 1)];
        }
    }

    internal string[] RamFlags => RamLines[^1].Split(' ', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Guest RAM in huge pages of a pool. Newer kernels only estimate whether such a page is shared.</summary>
    internal long HugetlbKilobytes => RamField("Private_Hugetlb") + RamField("Shared_Hugetlb");

    private long MemoryMib { get; init; }

    /// <summary>Starts it and waits until it answers.</summary>
    internal static async Task<PlacedVm> Start(TemporaryFolder folder, params string[] options)
    {
        string name = $"placed-{Environment.ProcessId}-{Guid.NewGuid():N}"[..40];
        int memory = Array.IndexOf(options, "--memory");
        string size = memory < 0 ? "32M" : options[memory + 1];
        Process process = Launcher.Start(["run", "--engine", "software", "--name", name, "--kernel", Multiboot.Write(folder, [0xeb, 0xfe]), "--serial", "none", "--memory", size,
            .. memory < 0 ? options : [.. options[..memory], .. options[(memory + 2)..]]]);
        return await Answering(new PlacedVm(process, name) { MemoryMib = long.Parse(size[..^1], CultureInfo.InvariantCulture) << (size[^1] == 'G' ? 10 : 0) });
    }

    /// <summary>Saves the machine, which ends it, and goes on with it in a new process.</summary>
    internal async Task<PlacedVm> Move(string state)
    {
        (int status, _, string errors) = await Launcher.Run("save", _name, state);
        if (status != 0) throw new InvalidOperationException(errors);
        await _process.WaitForExitAsync();
        return await Answering(new PlacedVm(Launcher.Start(["restore", state]), _name) { MemoryMib = MemoryMib });
    }

    private static async Task<PlacedVm> Answering(PlacedVm vm)
    {
        while ((await Launcher.Run("status", vm._name)).Status != 0)
        {
            if (vm._process.HasExited) throw new InvalidOperationException(await vm._process.StandardError.ReadToEndAsync());
        }
        return vm;
    }

    internal int Thread(string name) => Threads.Single(thread => thread.Name == name).Id;

    internal string AllowedCpus(int thread) => Field($"/proc/{ProcessId}/task/{thread}/status", "Cpus_allowed_list");

    /// <summary>Field 41 of /proc/PID/stat (proc(5)), counted behind the name in parentheses.</summary>
    internal int SchedulerPolicy(string thread) =>
        int.Parse(File.ReadAllText($"/proc/{ProcessId}/task/{Thread(thread)}/stat").Split(") ")[1].Split(' ')[41 - 3], CultureInfo.InvariantCulture);

    /// <summary>A figure of guest RAM in kB.</summary>
    internal long RamField(string name) => Kilobytes(RamLines.Single(line => line.StartsWith(name + ":", StringComparison.Ordinal)));

    internal async Task<JsonElement> Inspect()
    {
        (int status, string output, string errors) = await Launcher.Run("inspect", _name, "--json");
        return status == 0 ? JsonDocument.Parse(output).RootElement : throw new InvalidOperationException(errors);
    }

    internal async Task<(int Status, string Errors)> Set(params string[] options)
    {
        (int status, _, string errors) = await Launcher.Run(["set", _name, .. options]);
        return (status, errors);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private static string Field(string path, string name) => File.ReadLines(path).Single(line => line.StartsWith(name + ":", StringComparison.Ordinal)).Split(':')[1].Trim();

    private static long Kilobytes(string line) => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
}
