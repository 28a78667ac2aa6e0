using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Globalization;
using System.Linq;
using System.Text;
using Hutch.Cli.Control;
using Hutch.Model.Control;
using Hutch.Model.Machine;
using static Hutch.Cli.Commands.MachineSymbols;

namespace Hutch.Cli.Commands;

/// <summary>The verbs about where a running machine is on its host: <c>inspect</c> and <c>set</c>.</summary>
internal static class PlacementCommands
{
    private static readonly Option<int> Timeout = new("--timeout")
    {
        HelpName = "SECONDS", DefaultValueFactory = _ => 15, Description = "How long to wait until the guest has taken or given up vCPUs, and how long it may make no step with memory.",
    };

    /// <summary>The commands for the parser.</summary>
    internal static Command[] Create()
    {
        Command inspect = new("inspect", "Says what a machine has, and where its threads and memory are on this host.") { Name, Json };
        inspect.SetAction(Inspect);
        Command set = new("set", "Changes where a running machine is on this host, and its cables, memory and vCPUs.") { Name, Json, Timeout };
        foreach (Option option in PlacementOptions.OfSet) set.Add(option);
        set.SetAction(Set);
        return [inspect, set];
    }

    private static int Inspect(ParseResult result)
    {
        using VmClient client = VmClient.Connect(result.GetValue(Name)!);
        if (client.Ask(new VmRequest(VmVerb.Inspect)) is not { Status: { } status, Details: { } details })
            throw client.NoAnswer();
        if (result.GetValue(Json)) Console.Out.Write(Encoding.UTF8.GetString(ControlLine.Write(status, details)));
        else Show(status, details);
        return 0;
    }

    private static int Set(ParseResult result)
    {
        Dictionary<string, string> changes = PlacementOptions.ReadChanges(result);
        if (changes.Count == 0) throw new UserException("Say what to change, for example: hutch set NAME --vcpu-pin 0=3.", ExitStatus.Usage);
        int seconds = Math.Max(0, result.GetValue(Timeout));
        using VmClient client = VmClient.Connect(result.GetValue(Name)!);
        ulong? memory = changes.TryGetValue(PlacementOptions.MemoryChange, out string? text) ? ulong.Parse(text, CultureInfo.InvariantCulture) : null;
        if (memory is not null) MemoryWait.GiveBackPlugged(client, memory.Value, seconds);
        if (client.Ask(new VmRequest(VmVerb.Set, changes)) is null)
            throw client.NoAnswer();
        if (changes.ContainsKey(PlacementOptions.VcpuCountChange)) VcpuWait.Until(client, seconds);
        if (memory is not null) MemoryWait.Until(client, memory.Value, seconds);
        return 0;
    }

    private static void Show(VmStatus status, VmDetails details)
    {
        MemoryInfo memory = details.Memory;
        Line("name", status.Name);
        Line("state", $"{status.State}, engine {status.Engine}, process {status.ProcessId}");
        if (details.MostVcpus > details.Vcpus.Length) Line("vcpus", $"{details.Vcpus.Length} of {details.MostVcpus}");
        foreach (VcpuInfo vcpu in details.Vcpus)
            Line($"vcpu {vcpu.Index}", string.Create(CultureInfo.InvariantCulture, $"thread {vcpu.ThreadId}, host CPUs {vcpu.Cpus}, scheduled as {vcpu.Scheduler}, {vcpu.CpuSeconds:0.000} s of CPU time"));
        Line("other threads", $"host CPUs {details.EmulatorCpus}");
        Line("control group", details.ControlGroup);
        Line("devices", string.Join(", ", details.Devices));
        Line("memory", $"{status.MemoryBytes >> 20} MiB of {(memory.HugePageBytes == 0 ? "ordinary pages" : $"huge pages of {memory.HugePageBytes >> 20} MiB")}, {(memory.Locked ? "locked" : "not locked")}, NUMA policy {memory.Numa ?? "of the host"}");
        if (details.Balloon is { } balloon) Line("balloon", Describe(balloon));
        if (details.Pluggable is { } pluggable)
            Line("plugged in", $"{pluggable.PluggedBytes >> 20}{(pluggable.PluggedBytes == pluggable.RequestedBytes ? "" : $" of {pluggable.RequestedBytes >> 20}")} MiB of memory, {pluggable.MostBytes >> 20} at most");
        Line("merging", memory.Mergeable ? $"on, {memory.MergedBytes >> 10} KiB are merged" : "off");
    }

    private static string Describe(BalloonInfo balloon)
    {
        string target = balloon.TargetBytes == balloon.ActualBytes ? "" : $" of {balloon.TargetBytes >> 20}";
        ulong? available = balloon.Statistics.FirstOrDefault(static statistic => statistic.Name == "availableBytes")?.Value;
        string rest = available is null ? "" : string.Create(CultureInfo.InvariantCulture, $"; {available >> 20} MiB are available in the guest, {balloon.AgeSeconds:0} s ago");
        return $"holds {balloon.ActualBytes >> 20}{target} MiB{rest}";
    }

    private static void Line(string name, string text) => Console.Out.WriteLine($"{name,-14} {text}");
}
