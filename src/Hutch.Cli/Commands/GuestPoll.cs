using System;
using System.Threading;
using Hutch.Cli.Control;
using Hutch.Host.Time;
using Hutch.Model.Control;

namespace Hutch.Cli.Commands;

/// <summary>Waits for what only a machine's guest can do.</summary>
internal static class GuestPoll
{
    private const int IntervalMs = 20;

    /// <summary>Looks at the machine again and again. Throws <see cref="UserException"/> where it answers no more, and what <paramref name="isDone"/> throws to give up.</summary>
    /// <param name="client">The machine.</param>
    /// <param name="isDone">Judges what there is, and the seconds since the beginning.</param>
    internal static void Until(VmClient client, Func<VmDetails, double, bool> isDone)
    {
        MonotonicClock clock = new();
        long start = clock.MonotonicNanoseconds;
        using ManualResetEventSlim never = new();
        while (true)
        {
            if (client.Ask(new VmRequest(VmVerb.Inspect)) is not { Details: { } details }) throw client.NoAnswer();
            if (isDone(details, (clock.MonotonicNanoseconds - start) / 1e9)) return;
            never.Wait(IntervalMs);
        }
    }
}
