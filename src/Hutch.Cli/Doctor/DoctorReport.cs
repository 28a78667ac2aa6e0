using System.Collections.Generic;
using System.Collections.Immutable;
using System.IO;
using System.Linq;
using System.Text.Json;

namespace Hutch.Cli.Doctor;

/// <summary>Everything the doctor found, and what follows from it.</summary>
/// <param name="Groups">The findings.</param>
internal sealed record DoctorReport(ImmutableArray<FindingGroup> Groups)
{
    /// <summary>Examines a host.</summary>
    /// <param name="files">Its files.</param>
    /// <param name="trials">What to execute.</param>
    /// <param name="folder">Where hutch keeps things.</param>
    internal static DoctorReport Examine(HostFiles files, IHostTrials trials, string folder) => new(
    [
        ProcessorChecks.Examine(files, trials), KvmChecks.Examine(files, trials), MemoryChecks.Examine(files, trials),
        DeviceChecks.Examine(files, trials), KernelChecks.Examine(files, trials), FileChecks.Examine(files, trials, folder),
    ]);

    /// <summary>All lines.</summary>
    internal IEnumerable<Finding> All => Groups.SelectMany(group => group.Findings);

    /// <summary>What stands against every machine.</summary>
    internal IEnumerable<Finding> Obstacles => All.Where(finding => finding is { Essential: true, Verdict: Verdict.Missing });

    /// <summary>The last line.</summary>
    internal string Sum
    {
        get
        {
            string[] obstacles = [.. Obstacles.Select(finding => finding.Id)];
            if (obstacles.Length > 0) return $"No machine can run here; see {string.Join(", ", obstacles)}.";
            return All.Any(finding => finding is { Id: "kvm", Verdict: Verdict.Ok }) ? "Machines run here, on KVM." : "Machines run here, on the software engine.";
        }
    }

    /// <summary>Writes a line for each finding, in groups, then the sum.</summary>
    internal void WriteText(TextWriter output)
    {
        int width = All.Max(finding => finding.Id.Length);
        foreach (FindingGroup group in Groups)
        {
            output.WriteLine(group.Title);
            foreach (Finding finding in group.Findings)
            {
                string mend = finding.Mend is null ? "" : $"; mend: {finding.Mend}";
                output.WriteLine($"  {Word(finding.Verdict),-7}  {finding.Id.PadRight(width)}  {finding.Text}{mend}");
            }
        }
        output.WriteLine(Sum);
    }

    /// <summary>Writes one JSON object.</summary>
    internal void WriteJson(Stream output)
    {
        using Utf8JsonWriter writer = new(output, new JsonWriterOptions { Indented = true });
        writer.WriteStartObject();
        writer.WriteBoolean("machinesRun", !Obstacles.Any());
        writer.WriteString("sum", Sum);
        writer.WriteStartArray("checks");
        foreach (FindingGroup group in Groups)
            foreach (Finding finding in group.Findings) Write(writer, group.Title, finding);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, string group, Finding finding)
    {
        writer.WriteStartObject();
        writer.WriteString("group", group);
        writer.WriteString("id", finding.Id);
        writer.WriteString("verdict", Word(finding.Verdict));
        writer.WriteString("text", finding.Text);
        if (finding.Mend is not null) writer.WriteString("mend", finding.Mend);
        writer.WriteBoolean("essential", finding.Essential);
        writer.WriteEndObject();
    }

    private static string Word(Verdict verdict) => verdict switch { Verdict.Ok => "ok", Verdict.Note => "note", _ => "missing" };
}
