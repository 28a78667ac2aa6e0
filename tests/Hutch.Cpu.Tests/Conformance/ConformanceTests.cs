using System;
using System.Globalization;
using System.Linq;
using Xunit;
using Xunit.Abstractions;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>
/// The engine against the host CPU, instruction by instruction. The environment sets the effort: HUTCH_CONFORMANCE_ROUNDS (vectors of each form),
/// HUTCH_CONFORMANCE_SEED, HUTCH_CONFORMANCE_FILTER (part of a form's name).
/// </summary>
public sealed class ConformanceTests(ITestOutputHelper output)
{
    [HostCpuFact]
    public void Interpreted_instructions_do_what_the_host_cpu_does() =>
        Check((guest, vector, outcome) => guest.Interpret(vector, outcome), translated: false);

    [HostCpuFact]
    public void Interpreted_instructions_of_32_bit_code_do_what_the_host_cpu_does() =>
        Check((guest, vector, outcome) => guest.Interpret(vector, outcome), translated: false, bitness: 32);

    [HostCpuFact]
    public void Translated_instructions_do_what_the_host_cpu_does() =>
        Check((guest, vector, outcome) => guest.Run(vector, outcome), translated: true);

    [HostCpuFact]
    public void Translated_blocks_do_what_the_host_cpu_does() =>
        CheckBlocks((guest, vector, outcome) => guest.Run(vector, outcome), translated: true);

    [HostCpuFact]
    public void Interpreted_blocks_do_what_the_host_cpu_does() =>
        CheckBlocks((guest, vector, outcome) => guest.Interpret(vector, outcome), translated: false);

    private void CheckBlocks(ConformanceRunner.Execution execute, bool translated)
    {
        using var runner = new ConformanceRunner(Number("HUTCH_CONFORMANCE_SEED", 1), execute, translated);
        ConformanceReport report = runner.RunBlocks((long)Number("HUTCH_CONFORMANCE_ROUNDS", 12) * 500);
        output.WriteLine($"{report.Vectors} blocks.");
        foreach (string failure in report.Failures) output.WriteLine(failure);
        Assert.Empty(report.Failures);
    }

    private void Check(ConformanceRunner.Execution execute, bool translated, int bitness = 64)
    {
        using var runner = new ConformanceRunner(Number("HUTCH_CONFORMANCE_SEED", 1), execute, translated);
        ConformanceReport report = runner.RunForms((int)Number("HUTCH_CONFORMANCE_ROUNDS", 12), Environment.GetEnvironmentVariable("HUTCH_CONFORMANCE_FILTER"), bitness);
        output.WriteLine($"{report.Vectors} vectors of {report.Forms} forms.");
        foreach (var group in report.NotCovered.GroupBy(entry => entry.Reason))
            output.WriteLine($"Not covered, {group.Key}: {(group.Key == FormCatalog.NotOffered ? $"{group.Count()} forms" : string.Join(' ', group.Select(entry => entry.Code)))}");
        foreach (string failure in report.Failures) output.WriteLine(failure);
        Assert.Empty(report.Failures);
    }

    private static ulong Number(string variable, ulong otherwise) =>
        ulong.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out ulong value) ? value : otherwise;
}
