using System.Collections.Immutable;
using Hutch.Cli.Control;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>Waits until a guest has taken the vCPUs that were plugged in, and given up those that it was asked for.</summary>
internal static class VcpuWait
{
    /// <summary>Returns when it has done so. Throws <see cref="UserException"/> where it refuses, or does not within <paramref name="seconds"/>.</summary>
    internal static void Until(VmClient client, int seconds) => GuestPoll.Until(client, (details, waited) =>
    {
        if (!details.RefusedVcpus.IsEmpty)
            throw Failed($"The guest of '{client.Name}' refuses to change {Named(details.RefusedVcpus)}, as it says by ACPI; what its kernel logs tells why.");
        if (details.OfferedVcpus.IsEmpty && details.AskedVcpus.IsEmpty) return true;
        if (waited <= seconds) return false;
        throw Failed(details.AskedVcpus.IsEmpty
            ? $"The guest of '{client.Name}' has not taken {Named(details.OfferedVcpus)} within {seconds} s: it may be paused, or know nothing of CPU hot-plug. What is plugged in stays so; wait with --timeout, or go back with --vcpus."
            : $"The guest of '{client.Name}' has not given up {Named(details.AskedVcpus)} within {seconds} s: it may be paused, or know nothing of CPU hot-plug. It is asked still; wait with --timeout, or go back with --vcpus.");
    });

    private static UserException Failed(string sentence) => new(sentence, ExitStatus.BadConfiguration);

    private static string Named(ImmutableArray<int> vcpus) => $"{(vcpus.Length == 1 ? "vCPU" : "vCPUs")} {string.Join(", ", vcpus)}";
}
