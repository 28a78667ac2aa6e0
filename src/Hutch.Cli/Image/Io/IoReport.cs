using System;
using System.Globalization;
using System.Text;

namespace Hutch.Cli.Image.Io;

/// <summary>The lines about a request that is complete.</summary>
internal static class IoReport
{
    private const int LineBytes = 16;

    /// <summary>What was done, how much, and how fast; for machines with commas.</summary>
    internal static string Of(string verb, long offset, long count, long total, int operations, long nanoseconds, bool isForMachines)
    {
        double seconds = Math.Max(nanoseconds, 1) / 1e9, rate = total / seconds, operationRate = operations / seconds;
        if (isForMachines) return string.Create(CultureInfo.InvariantCulture, $"{total},{operations},{Time(seconds, true)},{rate:F3},{operationRate:F3}\n");
        return string.Create(CultureInfo.InvariantCulture, $"{verb} {total}/{count} bytes at offset {offset}\n")
            + string.Create(CultureInfo.InvariantCulture, $"{HumanSize.Exact(total)}, {operations} ops; {Time(seconds, false)} ({HumanSize.Exact(rate)}/sec and {operationRate:F4} ops/sec)\n");
    }

    /// <summary>Bytes in hexadecimal and as text.</summary>
    internal static void Dump(StringBuilder text, ReadOnlySpan<byte> data, long offset)
    {
        for (int start = 0; start < data.Length; start += LineBytes)
        {
            ReadOnlySpan<byte> line = data[start..Math.Min(data.Length, start + LineBytes)];
            text.Append(CultureInfo.InvariantCulture, $"{offset + start:x8}:  ");
            foreach (byte value in line) text.Append(CultureInfo.InvariantCulture, $"{value:x2} ");
            text.Append(' ');
            foreach (byte value in line) text.Append(char.IsAsciiLetterOrDigit((char)value) ? (char)value : '.');
            text.Append('\n');
        }
    }

    private static string Time(double seconds, bool isFixed)
    {
        TimeSpan time = TimeSpan.FromSeconds(seconds);
        int hundredths = time.Milliseconds / 10, hours = (int)time.TotalHours;
        if (isFixed || hours > 0) return string.Create(CultureInfo.InvariantCulture, $"{hours}:{time.Minutes:00}:{time.Seconds:00}.{hundredths:00}");
        if (time.Minutes > 0) return string.Create(CultureInfo.InvariantCulture, $"{time.Minutes:00}:{time.Seconds:00}.{hundredths:00}");
        return string.Create(CultureInfo.InvariantCulture, $"{time.Seconds:00}.{hundredths:00} sec");
    }
}
