using System;
using System.Globalization;
using System.IO;

namespace Hutch.Management.Domains;

/// <summary>CPU time of a process (proc(5)).</summary>
internal static class ProcessTime
{
    // Ticks of the times in /proc/PID/stat: a hundred a second on every Linux (sysconf(_SC_CLK_TCK)).
    private const ulong TickNanoseconds = 10_000_000;

    /// <summary>In nanoseconds; 0 where it is gone.</summary>
    internal static ulong Of(int process)
    {
        try
        {
            // Fields 14 and 15, utime and stime; the name in parentheses before them may hold anything.
            string stat = File.ReadAllText($"/proc/{process}/stat");
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (ulong.Parse(fields[11], CultureInfo.InvariantCulture) + ulong.Parse(fields[12], CultureInfo.InvariantCulture)) * TickNanoseconds;
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
