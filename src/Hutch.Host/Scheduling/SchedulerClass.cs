using System;
using System.Globalization;

namespace Hutch.Host.Scheduling;

/// <summary>How the kernel schedules a thread (sched(7)): <c>other</c>, <c>batch</c>, <c>idle</c>, <c>fifo:1</c>, <c>rr:1</c>.</summary>
/// <param name="Policy">SCHED_*: 0 other, 1 fifo, 2 rr, 3 batch, 5 idle.</param>
/// <param name="Priority">1 to 99 for fifo and rr, else 0.</param>
public readonly record struct SchedulerClass(int Policy, int Priority)
{
    private static readonly string[] Names = ["other", "fifo", "rr", "batch", "", "idle"];

    private bool IsRealTime => Policy is 1 or 2;

    /// <summary>Reads the form above; real-time classes have priority 1 when none is given. Null when it is not understood.</summary>
    public static SchedulerClass? Parse(string text)
    {
        string[] parts = text.Split(':');
        int policy = parts[0].Length == 0 ? -1 : Array.IndexOf(Names, parts[0]);
        if (policy < 0 || parts.Length > 2) return null;
        SchedulerClass made = new(policy, policy is 1 or 2 ? 1 : 0);
        if (parts.Length == 1) return made;
        return made.IsRealTime && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int priority) && priority is >= 1 and <= 99
            ? made with { Priority = priority }
            : null;
    }

    /// <summary>The form that <see cref="Parse"/> reads; a class of another name shows its number.</summary>
    public override string ToString() =>
        IsRealTime ? string.Create(CultureInfo.InvariantCulture, $"{Names[Policy]}:{Priority}") : Policy >= 0 && Policy < Names.Length && Names[Policy].Length > 0 ? Names[Policy] : $"class {Policy}";
}
