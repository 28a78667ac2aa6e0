using System;
using System.Diagnostics;

namespace Hutch.Dev.KvmLab.Inside;

/// <summary>Makes the checks of <see cref="LabChecks"/> and prints one line for each, then their sum.</summary>
internal static class LabTest
{
    /// <summary>Runs the checks whose name contains a word; status 1 when one fails.</summary>
    internal static int Run(int boots, string word)
    {
        int passed = 0, failed = 0, skipped = 0;
        foreach ((string name, Func<string> check) in LabChecks.All(boots))
        {
            if (!name.Contains(word, StringComparison.OrdinalIgnoreCase)) continue;
            long start = Stopwatch.GetTimestamp();
            string verdict, detail;
            try
            {
                detail = check();
                verdict = "passed";
                passed++;
            }
            catch (CheckException problem)
            {
                detail = problem.Message;
                verdict = problem.IsSkip ? "skipped" : "FAILED";
                if (problem.IsSkip) skipped++;
                else failed++;
            }
            Console.WriteLine($"{verdict,-7} {Stopwatch.GetElapsedTime(start).TotalSeconds,6:F1} s  {name}{(detail.Length == 0 ? "" : $": {detail}")}");
        }
        Console.WriteLine($"{passed} passed, {failed} failed, {skipped} skipped");
        return failed == 0 && passed > 0 ? 0 : 1;
    }
}
