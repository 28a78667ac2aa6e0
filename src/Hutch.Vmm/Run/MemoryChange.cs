using System.Collections.Generic;
using System.Globalization;
using Hutch.Devices;
using Hutch.Model.Control;

namespace Hutch.Vmm.Run;

/// <summary>
/// The part of the verb <c>set</c> that is about the guest's memory: how much of it the guest is to have, in bytes. What is more than it started with is plugged in; what is less, its balloon takes.
/// </summary>
internal static class MemoryChange
{
    private const string Option = "memory";

    // A guest that is left with less would not live.
    private const ulong LeastBytes = 32 << 20;

    /// <summary>Tells the devices; returns the other options. Throws <see cref="ConfigException"/>, with nothing changed.</summary>
    /// <param name="balloon">The balloon, if there is one.</param>
    /// <param name="pluggable">The device that plugs memory in, if there is one.</param>
    /// <param name="bootBytes">What the guest started with.</param>
    /// <param name="options">Of the verb.</param>
    internal static IReadOnlyDictionary<string, string> Apply(IBalloon? balloon, IPluggableMemory? pluggable, ulong bootBytes, IReadOnlyDictionary<string, string> options)
    {
        if (!options.TryGetValue(Option, out string? text)) return options;
        if (!ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong wanted)) throw new ConfigException($"'{text}' is no number of bytes.");
        PluggableMemoryInfo? more = pluggable?.Look();
        if (balloon is null && (pluggable is null || wanted < bootBytes)) throw new ConfigException(NoBalloon(bootBytes, pluggable is not null));
        if (wanted > bootBytes + (more?.MostBytes ?? 0))
            throw new ConfigException($"The machine has {bootBytes >> 20} MiB of memory{(more is null ? "" : $" and can have {more.MostBytes >> 20} MiB more")}; it cannot have {wanted >> 20} MiB while it runs. Start it with --memory {bootBytes >> 20}M,max={wanted >> 20}M.");
        if (wanted < LeastBytes) throw new ConfigException($"A guest cannot live with {wanted >> 20} MiB of memory; leave it {LeastBytes >> 20} MiB at least.");
        ulong given = wanted < bootBytes ? bootBytes - wanted : 0, added = wanted > bootBytes ? wanted - bootBytes : 0;
        if (balloon is { HasDriver: false } && (given != 0 || pluggable is null)) throw new ConfigException("The guest has no driver for its memory balloon; load virtio_balloon in it.");
        if (pluggable is { HasDriver: false } && added != 0) throw new ConfigException("The guest has no driver for memory that is plugged in; load virtio_mem in it.");
        balloon?.SetTarget(given);
        pluggable?.SetTarget(added);
        return SetOptions.Without(options, Option);
    }

    private static string NoBalloon(ulong bootBytes, bool isPluggable) => isPluggable
        ? $"The machine has no memory balloon, which could take of the {bootBytes >> 20} MiB that it started with; start it with --device virtio-balloon."
        : "The machine has no memory balloon; start it with --device virtio-balloon, or with --memory SIZE,max=SIZE to give it more.";
}
