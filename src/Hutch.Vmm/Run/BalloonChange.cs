using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using Hutch.Devices;

namespace Hutch.Vmm.Run;

/// <summary>The part of the verb <c>set</c> that is about the guest's memory: how much of it the guest keeps, in bytes.</summary>
internal static class BalloonChange
{
    private const string Option = "memory";

    // A guest that is left with less would not live.
    private const ulong LeastBytes = 32 << 20;

    /// <summary>Tells the balloon; returns the other options. Throws <see cref="ConfigException"/>, with nothing changed.</summary>
    internal static IReadOnlyDictionary<string, string> Apply(IBalloon? balloon, ulong ramBytes, IReadOnlyDictionary<string, string> options)
    {
        if (!options.TryGetValue(Option, out string? text)) return options;
        if (!ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong wanted)) throw new ConfigException($"'{text}' is no number of bytes.");
        if (balloon is null) throw new ConfigException("The machine has no memory balloon; start it with --device virtio-balloon.");
        if (wanted > ramBytes) throw new ConfigException($"The machine has {ramBytes >> 20} MiB of memory; it cannot have {wanted >> 20} MiB while it runs.");
        if (wanted < LeastBytes) throw new ConfigException($"A guest cannot live with {wanted >> 20} MiB of memory; leave it {LeastBytes >> 20} MiB at least.");
        if (!balloon.HasDriver) throw new ConfigException("The guest has no driver for its memory balloon; load virtio_balloon in it.");
        balloon.SetTarget(ramBytes - wanted);
        return new Dictionary<string, string>(options.Where(static pair => pair.Key != Option));
    }
}
