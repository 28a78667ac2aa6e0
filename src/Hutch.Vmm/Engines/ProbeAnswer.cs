using System;
using System.Collections.Immutable;
using System.Linq;
using System.Text.Json;
using Hutch.Host.Linux;
using Hutch.Kvm.Probe;

namespace Hutch.Vmm.Engines;

/// <summary>The probe's result as JSON: for <c>hutch-vmm --probe</c>, and for the file that remembers it.</summary>
internal static class ProbeAnswer
{
    /// <summary>Probes this host and prints one JSON object on one line of standard output. Returns the exit status: 0, whatever the verdict.</summary>
    internal static int Print()
    {
        TimeSpan before = Environment.CpuUsage.TotalTime;
        KvmProbeResult result = KvmProbe.Run(new DeviceCalls(), ProbeSignals.Read());
        double milliseconds = (Environment.CpuUsage.TotalTime - before).TotalMilliseconds;
        AnswerLine.Print(writer =>
        {
            writer.WriteStartObject();
            Write(writer, result);
            writer.WriteBoolean("usable", result.IsUsable);
            writer.WriteString("text", result.Text);
            if (result.Mend is not null) writer.WriteString("mend", result.Mend);
            writer.WriteBoolean("cpuHasVirtualisation", result.Signals.HasVirtualisation);
            writer.WriteString("module", result.Signals.Module);
            writer.WriteNumber("cpuMilliseconds", Math.Round(milliseconds, 1));
            writer.WriteEndObject();
        });
        return 0;
    }

    /// <summary>Writes what <see cref="Read"/> needs, into an open object.</summary>
    internal static void Write(Utf8JsonWriter writer, KvmProbeResult result)
    {
        writer.WriteString("verdict", result.Word);
        WriteNames(writer, "ran", result.Ran);
        WriteNames(writer, "failed", result.Failed);
        writer.WriteString("detail", result.Detail);
    }

    /// <summary>Reads a result back. Throws what <see cref="JsonElement"/> throws, and <see cref="FormatException"/>.</summary>
    internal static KvmProbeResult Read(JsonElement json, ProbeSignals signals)
    {
        string word = json.GetProperty("verdict").GetString() ?? "";
        foreach (KvmVerdict verdict in Enum.GetValues<KvmVerdict>())
        {
            KvmProbeResult result = new(verdict, signals) { Ran = Names(json, "ran"), Failed = Names(json, "failed"), Detail = json.GetProperty("detail").GetString() };
            if (result.Word == word) return result;
        }
        throw new FormatException($"'{word}' is no verdict.");
    }

    private static ImmutableArray<string> Names(JsonElement json, string name) => [.. json.GetProperty(name).EnumerateArray().Select(item => item.GetString() ?? "")];

    private static void WriteNames(Utf8JsonWriter writer, string name, ImmutableArray<string> values)
    {
        writer.WriteStartArray(name);
        foreach (string value in values) writer.WriteStringValue(value);
        writer.WriteEndArray();
    }
}
