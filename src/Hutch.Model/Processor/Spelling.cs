using System;
using System.Collections.Generic;

namespace Hutch.Model.Processor;

/// <summary>Finds what a mistyped name was meant to be.</summary>
internal static class Spelling
{
    /// <summary>The candidate with the fewest insertions, deletions and replacements of characters; among equals the first.</summary>
    public static string Nearest(string name, IEnumerable<string> candidates)
    {
        (string best, int least) = ("", int.MaxValue);
        foreach (string candidate in candidates)
        {
            int distance = Distance(name, candidate);
            if (distance < least) (best, least) = (candidate, distance);
        }
        return best;
    }

    private static int Distance(string left, string right)
    {
        int[] row = new int[right.Length + 1];
        for (int j = 0; j < row.Length; j++) row[j] = j;
        for (int i = 1; i <= left.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= right.Length; j++)
            {
                int replaced = diagonal + (char.ToLowerInvariant(left[i - 1]) == char.ToLowerInvariant(right[j - 1]) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }
        return row[right.Length];
    }
}
