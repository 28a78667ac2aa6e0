using System;
using System.Globalization;
using System.IO;
using System.Text.RegularExpressions;

namespace Hutch.Dev.Bench;

/// <summary>
/// Resident memory of a process that runs a machine, from /proc/PID/smaps (proc(5)). Rss counts a page once for each mapping, so memory files that
/// the process maps twice (translated code: once to write, once to execute) are taken by Pss, which counts each page once.
/// </summary>
/// <param name="GuestKilobytes">Resident part of the guest's RAM.</param>
/// <param name="OtherKilobytes">Resident size of all other mappings: what the machine costs beyond its guest.</param>
/// <param name="OtherProportionalKilobytes">The same with shared pages divided by their users.</param>
internal sealed partial record ResidentMemory(long GuestKilobytes, long OtherKilobytes, long OtherProportionalKilobytes)
{
    /// <summary>Guest RAM is the mappings of a file or region that the process named so, or else what can be written, not executed, and has the guest's size.</summary>
    internal static ResidentMemory Read(int processId, long guestMegabytes)
    {
        long guest = 0, other = 0, proportional = 0;
        bool isGuest = false, isMemoryFile = false;
        foreach (string line in File.ReadLines($"/proc/{processId}/smaps"))
        {
            Match mapping = Mapping().Match(line);
            if (mapping.Success)
            {
                long length = Hexadecimal(mapping, "end") - Hexadecimal(mapping, "start");
                bool sized = length == guestMegabytes << 20 && mapping.Groups["rights"].Value.StartsWith("rw-", StringComparison.Ordinal);
                isMemoryFile = mapping.Groups["name"].Value.StartsWith("/memfd:", StringComparison.Ordinal);
                isGuest = sized || mapping.Groups["name"].Value.Contains("guest", StringComparison.Ordinal);
            }
            else if (line.StartsWith("Rss:", StringComparison.Ordinal))
            {
                if (isGuest) guest += Kilobytes(line);
                else if (!isMemoryFile) other += Kilobytes(line);
            }
            else if (line.StartsWith("Pss:", StringComparison.Ordinal) && !isGuest)
            {
                proportional += Kilobytes(line);
                if (isMemoryFile) other += Kilobytes(line);
            }
        }
        return new ResidentMemory(guest, other, proportional);
    }

    private static long Hexadecimal(Match match, string group) => long.Parse(match.Groups[group].Value, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    private static long Kilobytes(string line) => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^(?<start>[0-9a-f]+)-(?<end>[0-9a-f]+) (?<rights>\S{4}) \S+ \S+ \S+\s*(?<name>.*)$")]
    private static partial Regex Mapping();
}
