using System.Threading;
using Hutch.Cli.Control;
using Hutch.Host.Time;
using Hutch.Model.Control;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>Waits until a guest has given up, or taken back, as much of its memory as was asked for.</summary>
internal static class BalloonWait
{
    private const int IntervalMs = 50;

    // A guest that has not moved for so long will not.
    private const long PatienceNanoseconds = 15_000_000_000;

    /// <summary>Returns when the balloon holds what it is to hold. Throws <see cref="UserException"/> where the guest stops on the way; what it gave up it has given up.</summary>
    internal static void Until(VmClient client)
    {
        ulong last = ulong.MaxValue;
        MonotonicClock clock = new();
        long moved = clock.MonotonicNanoseconds;
        using ManualResetEventSlim never = new();
        while (true)
        {
            if (client.Ask(new VmRequest(VmVerb.Inspect)) is not { Details: { } details }) throw client.NoAnswer();
            if (details.Balloon is not { } balloon) throw new UserException($"The guest of '{client.Name}' no longer has a driver for its memory balloon; load virtio_balloon in it.", ExitStatus.BadConfiguration);
            if (balloon.ActualBytes == balloon.TargetBytes) return;
            if (balloon.ActualBytes != last) (last, moved) = (balloon.ActualBytes, clock.MonotonicNanoseconds);
            else if (clock.MonotonicNanoseconds - moved > PatienceNanoseconds)
                throw new UserException($"The guest of '{client.Name}' has given up {balloon.ActualBytes >> 20} of {balloon.TargetBytes >> 20} MiB and stays there; it needs the rest itself, or is paused.",
                    ExitStatus.BadConfiguration);
            never.Wait(IntervalMs);
        }
    }
}
