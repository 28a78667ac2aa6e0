using System.Collections.Generic;
using System.Globalization;
using Hutch.Cli.Control;
using Hutch.Model.Control;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>Waits until a guest has as much of its memory as was asked for.</summary>
internal static class MemoryWait
{
    // Linux tries again after 5 seconds, then 10, 20 and up to 300. What is in use one moment can often be moved the next.
    private const double AskAgainSeconds = 5;

    /// <summary>
    /// Returns when the balloon holds what it is to hold and the guest has plugged in what it is to have; a guest that makes no step is asked again. Throws <see cref="UserException"/> where it
    /// stops on the way; what it did it has done.
    /// </summary>
    /// <param name="client">The machine, which was asked for it.</param>
    /// <param name="bytes">What its guest is to have.</param>
    /// <param name="seconds">How long it may go without a step.</param>
    internal static void Until(VmClient client, ulong bytes, int seconds)
    {
        (ulong Given, ulong Plugged) last = (ulong.MaxValue, ulong.MaxValue);
        double moved = 0, asked = 0;
        GuestPoll.Until(client, (details, waited) =>
        {
            (BalloonInfo? balloon, PluggableMemoryInfo? pluggable) = (details.Balloon, details.Pluggable);
            if (balloon is null && pluggable is null)
                throw Failed($"The guest of '{client.Name}' no longer has a driver for its memory; load virtio_balloon or virtio_mem in it.");
            if ((balloon is null || balloon.ActualBytes == balloon.TargetBytes) && (pluggable is null || pluggable.PluggedBytes == pluggable.RequestedBytes)) return true;
            (ulong, ulong) now = (balloon?.ActualBytes ?? 0, pluggable?.PluggedBytes ?? 0);
            if (now != last) (last, moved, asked) = (now, waited, waited);
            else if (waited - moved > seconds) throw Failed(Describe(client.Name, balloon, pluggable));
            if (waited - asked > AskAgainSeconds)
            {
                asked = waited;
                Ask(client, bytes);
            }
            return false;
        });
    }

    /// <summary>
    /// Before a balloon takes of what the guest started with, the guest gives back what was plugged in: both at once would leave it no room to move things to. Throws <see cref="UserException"/>.
    /// </summary>
    /// <param name="client">The machine.</param>
    /// <param name="wantedBytes">What its guest is to have in the end.</param>
    /// <param name="seconds">As for <see cref="Until"/>.</param>
    internal static void GiveBackPlugged(VmClient client, ulong wantedBytes, int seconds)
    {
        if (client.Ask(new VmRequest(VmVerb.Inspect)) is not { Status: { } status, Details: { } details }) throw client.NoAnswer();
        if (details is not { Balloon: not null, Pluggable: { PluggedBytes: not 0 } pluggable } || wantedBytes >= status.MemoryBytes - pluggable.PluggedBytes) return;
        ulong start = status.MemoryBytes - pluggable.PluggedBytes;
        Ask(client, start);
        Until(client, start, seconds);
    }

    private static void Ask(VmClient client, ulong bytes)
    {
        string memory = bytes.ToString(CultureInfo.InvariantCulture);
        if (client.Ask(new VmRequest(VmVerb.Set, new Dictionary<string, string> { [PlacementOptions.MemoryChange] = memory })) is null) throw client.NoAnswer();
    }

    private static string Describe(string name, BalloonInfo? balloon, PluggableMemoryInfo? pluggable)
    {
        if (balloon is not null && balloon.ActualBytes != balloon.TargetBytes)
            return $"The guest of '{name}' has given up {balloon.ActualBytes >> 20} of {balloon.TargetBytes >> 20} MiB and stays there; it needs the rest itself, or is paused.";
        return pluggable!.PluggedBytes < pluggable.RequestedBytes
            ? $"The guest of '{name}' has plugged in {pluggable.PluggedBytes >> 20} of {pluggable.RequestedBytes >> 20} MiB and stays there: it may be paused, or want what it has to be used first (write online to auto_online_blocks in /sys/devices/system/memory)."
            : $"The guest of '{name}' keeps {pluggable.PluggedBytes >> 20} MiB of plugged memory instead of {pluggable.RequestedBytes >> 20}: what is in use there cannot be moved, or it is paused. It goes on trying; wait with --timeout.";
    }

    private static UserException Failed(string sentence) => new(sentence, ExitStatus.BadConfiguration);
}
