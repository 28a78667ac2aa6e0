using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Hutch.Dev.DeviceFuzz;
using Xunit;

namespace Hutch.Tests.Tidy;

/// <summary>Every kind of device has a row in the table of specifications, and the tests of its row cite them.</summary>
public sealed class DeviceTableTests
{
    private const string Table = "docs/internals/devices.md";

    [Fact]
    public void Every_kind_of_device_has_a_row_and_there_are_no_others()
    {
        string[] kinds = [.. FuzzedDevices.All.Select(static device => device.Name)];
        string[] listed = [.. Rows().Select(static row => row.Kind).Where(static kind => kind.Length > 0).Distinct()];
        Findings.None(kinds.Except(listed).Select(static kind => $"{Table}: there is no row for the device {kind}; add one with its specification and its tests."));
        Findings.None(listed.Except(kinds).Select(static kind => $"{Table}: there is no device {kind}; take its row out."));
    }

    [Fact]
    public void Tests_of_a_device_cite_its_specifications()
    {
        List<string> found = [];
        foreach (Row row in Rows())
        {
            if (row.Specifications.Length == 0) found.Add($"{Table}:{row.Line}: no specification is named.");
            if (!row.Tests.StartsWith("tests/Hutch.Tests/Devices/", StringComparison.Ordinal) || !File.Exists(Path.Combine(Repository.Root, row.Tests)))
            {
                found.Add($"{Table}:{row.Line}: there is no test file '{row.Tests}'; name one of tests/Hutch.Tests/Devices.");
                continue;
            }
            string text = Repository.Text(row.Tests);
            found.AddRange(row.Specifications.Where(name => !text.Contains(name, StringComparison.Ordinal))
                .Select(name => $"{row.Tests}:1: cites nothing of '{name}'; say which section its tests hold."));
        }
        Findings.None(found);
    }

    private sealed record Row(int Line, string Kind, string[] Specifications, string Tests);

    // | `kind` | part | specification; specification | `tests` |
    private static List<Row> Rows()
    {
        List<Row> rows = [];
        string[] lines = Repository.Text(Table).Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            if (!lines[i].StartsWith("| ", StringComparison.Ordinal) || lines[i].StartsWith("| Kind |", StringComparison.Ordinal)) continue;
            string[] cells = [.. lines[i].Split('|')[1..^1].Select(static cell => cell.Trim())];
            Assert.True(cells.Length == 4, $"{Table}:{i + 1}: a row has four cells.");
            rows.Add(new Row(i + 1, cells[0].Trim('`'), cells[2].Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries), cells[3].Trim('`')));
        }
        Assert.NotEmpty(rows);
        return rows;
    }
}
