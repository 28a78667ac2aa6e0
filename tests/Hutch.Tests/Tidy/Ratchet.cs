using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;

namespace Hutch.Tests.Tidy;

/// <summary>A list of old exceptions to a rule: one per line, a number and what it is allowed for, beginning with a file.</summary>
internal static class Ratchet
{
    /// <summary>Reads the list; an entry for a file that is gone fails the test, so that the list only shrinks.</summary>
    internal static Dictionary<string, int> Read(string list)
    {
        Dictionary<string, int> allowed = Repository.Text(list).Split('\n').Where(line => line.Length > 0 && line[0] != '#').Select(line => line.Split(' ', 2))
            .ToDictionary(parts => parts[1], parts => int.Parse(parts[0], CultureInfo.InvariantCulture));
        Findings.None(allowed.Keys.Where(entry => !File.Exists(Path.Combine(Repository.Root, entry.Split(' ')[0]))).Select(entry => $"{list}: {entry} is gone; take the line out."));
        return allowed;
    }
}
