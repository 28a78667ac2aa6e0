using System.Collections.Immutable;
using System.Linq;
using System.Text.Json;

namespace Hutch.Model.Control;

/// <summary><see cref="VmDetails"/> as JSON.</summary>
internal static class VmDetailsJson
{
    /// <summary>Writes the properties into an open object.</summary>
    internal static void Write(Utf8JsonWriter writer, VmDetails details)
    {
        writer.WriteStartArray("vcpuThreads");
        foreach (VcpuInfo vcpu in details.Vcpus)
        {
            writer.WriteStartObject();
            writer.WriteNumber("index", vcpu.Index);
            writer.WriteNumber("thread", vcpu.ThreadId);
            writer.WriteString("cpus", vcpu.Cpus);
            writer.WriteString("scheduler", vcpu.Scheduler);
            writer.WriteNumber("cpuSeconds", vcpu.CpuSeconds);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteNumber("mostVcpus", details.MostVcpus);
        Write(writer, "offeredVcpus", details.OfferedVcpus);
        Write(writer, "askedVcpus", details.AskedVcpus);
        Write(writer, "refusedVcpus", details.RefusedVcpus);
        writer.WriteString("emulatorCpus", details.EmulatorCpus);
        writer.WriteString("controlGroup", details.ControlGroup);
        writer.WriteNumber("hugePageBytes", details.Memory.HugePageBytes);
        writer.WriteBoolean("locked", details.Memory.Locked);
        writer.WriteBoolean("mergeable", details.Memory.Mergeable);
        writer.WriteNumber("mergedBytes", details.Memory.MergedBytes);
        writer.WriteString("numa", details.Memory.Numa);
        writer.WriteStartArray("devices");
        foreach (string device in details.Devices) writer.WriteStringValue(device);
        writer.WriteEndArray();
        if (details.Balloon is { } balloon) Write(writer, balloon);
        if (details.Pluggable is not { } pluggable) return;
        writer.WriteStartObject("pluggable");
        writer.WriteNumber("requestedBytes", pluggable.RequestedBytes);
        writer.WriteNumber("pluggedBytes", pluggable.PluggedBytes);
        writer.WriteNumber("mostBytes", pluggable.MostBytes);
        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, string name, ImmutableArray<int> numbers)
    {
        writer.WriteStartArray(name);
        foreach (int number in numbers) writer.WriteNumberValue(number);
        writer.WriteEndArray();
    }

    private static ImmutableArray<int> Numbers(JsonElement json, string name) => [.. json.GetProperty(name).EnumerateArray().Select(static number => number.GetInt32())];

    private static void Write(Utf8JsonWriter writer, BalloonInfo balloon)
    {
        writer.WriteStartObject("balloon");
        writer.WriteNumber("targetBytes", balloon.TargetBytes);
        writer.WriteNumber("actualBytes", balloon.ActualBytes);
        writer.WriteNumber("ageSeconds", balloon.AgeSeconds);
        writer.WriteStartObject("statistics");
        foreach (BalloonStatistic statistic in balloon.Statistics) writer.WriteNumber(statistic.Name, statistic.Value);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static BalloonInfo ReadBalloon(JsonElement json)
    {
        ImmutableArray<BalloonStatistic>.Builder statistics = ImmutableArray.CreateBuilder<BalloonStatistic>();
        foreach (JsonProperty statistic in json.GetProperty("statistics").EnumerateObject()) statistics.Add(new BalloonStatistic(statistic.Name, statistic.Value.GetUInt64()));
        return new BalloonInfo(json.GetProperty("targetBytes").GetUInt64(), json.GetProperty("actualBytes").GetUInt64(), statistics.ToImmutable(), json.GetProperty("ageSeconds").GetDouble());
    }

    /// <summary>Reads them. Throws what <see cref="JsonElement"/> throws.</summary>
    internal static VmDetails Read(JsonElement json)
    {
        JsonElement list = json.GetProperty("vcpuThreads");
        VcpuInfo[] vcpus = new VcpuInfo[list.GetArrayLength()];
        for (int i = 0; i < vcpus.Length; i++)
            vcpus[i] = new VcpuInfo(list[i].GetProperty("index").GetInt32(), list[i].GetProperty("thread").GetInt32(), ControlLine.Text(list[i], "cpus"), ControlLine.Text(list[i], "scheduler"), list[i].GetProperty("cpuSeconds").GetDouble());
        MemoryInfo memory = new(json.GetProperty("hugePageBytes").GetUInt64(), json.GetProperty("locked").GetBoolean(), json.GetProperty("mergeable").GetBoolean(),
            json.GetProperty("mergedBytes").GetUInt64(), json.GetProperty("numa").GetString());
        return new VmDetails(ImmutableArray.Create(vcpus), ControlLine.Text(json, "emulatorCpus"), ControlLine.Text(json, "controlGroup"), memory)
        {
            Pluggable = json.TryGetProperty("pluggable", out JsonElement memoryPlugged)
                ? new PluggableMemoryInfo(memoryPlugged.GetProperty("requestedBytes").GetUInt64(), memoryPlugged.GetProperty("pluggedBytes").GetUInt64(), memoryPlugged.GetProperty("mostBytes").GetUInt64()) : null,
            MostVcpus = json.GetProperty("mostVcpus").GetInt32(),
            OfferedVcpus = Numbers(json, "offeredVcpus"),
            AskedVcpus = Numbers(json, "askedVcpus"),
            RefusedVcpus = Numbers(json, "refusedVcpus"),
            Devices = [.. json.GetProperty("devices").EnumerateArray().Select(static device => device.GetString() ?? "")],
            Balloon = json.TryGetProperty("balloon", out JsonElement balloon) ? ReadBalloon(balloon) : null,
        };
    }
}
