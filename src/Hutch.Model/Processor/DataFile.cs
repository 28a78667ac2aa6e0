using System.Collections.Generic;
using System.IO;

namespace Hutch.Model.Processor;

/// <summary>The tables that are built into the assembly.</summary>
internal static class DataFile
{
    /// <summary>Lines that are neither empty nor comments.</summary>
    public static IEnumerable<string> Lines(string name)
    {
        using var reader = new StreamReader(typeof(DataFile).Assembly.GetManifestResourceStream(name)!);
        while (reader.ReadLine() is string line)
            if (line.Length != 0 && line[0] != '#') yield return line;
    }
}
