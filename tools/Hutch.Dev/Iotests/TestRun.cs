using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Text.RegularExpressions;

namespace Hutch.Dev.Iotests;

/// <summary>A run of tests for one format. Each test is one call of the suite's own driver, so that one that hangs can be ended alone.</summary>
internal sealed partial class TestRun(TestTree tree, TestPrograms programs, string format)
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    /// <summary>Runs the tests and prints the sum; 0 where none failed.</summary>
    internal int Execute(IReadOnlyList<string> tests)
    {
        int passed = 0, failed = 0, skipped = 0;
        string scratch = Directory.CreateTempSubdirectory("hutch-iotests-").FullName;
        try
        {
            foreach (string test in tests)
            {
                (string verdict, string text) = RunOne(test, scratch);
                switch (verdict)
                {
                    case "pass":
                        passed++;
                        break;
                    case "not run":
                        skipped++;
                        break;
                    default:
                        failed++;
                        break;
                }
                Console.WriteLine($"{format} {test} {verdict}");
                if (verdict == "fail") Console.WriteLine(text);
            }
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
        Console.WriteLine($"{format}: {passed} passed, {failed} failed, {skipped} skipped");
        return failed == 0 ? 0 : 1;
    }

    private (string Verdict, string Text) RunOne(string test, string scratch)
    {
        ProcessStartInfo start = new("/usr/bin/env", ["python3", "./check", $"-{format}", test]) { WorkingDirectory = tree.Tests, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["QEMU_PROG"] = programs.Machine;
        start.Environment["QEMU_IMG_PROG"] = programs.Img;
        start.Environment["QEMU_IO_PROG"] = programs.Io;
        start.Environment["QEMU_NBD_PROG"] = programs.Nbd;
        start.Environment["QSD_PROG"] = programs.Daemon;
        start.Environment["TEST_DIR"] = scratch;
        using Process process = Process.Start(start)!;
        System.Threading.Tasks.Task<string> errors = process.StandardError.ReadToEndAsync(), output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(Longest))
        {
            process.Kill(entireProcessTree: true);
            return ("fail", $"took longer than {Longest.TotalMinutes:F0} minutes");
        }
        string text = output.Result + errors.Result;
        Match verdict = Verdict().Match(text);
        string last = verdict.Success ? verdict.Groups[1].Value : "fail";
        return (last, last == "fail" ? text[Math.Max(0, verdict.Index)..] : "");
    }

    [GeneratedRegex(@"\b(pass|fail|not run)\b\s+\[")]
    private static partial Regex Verdict();
}
