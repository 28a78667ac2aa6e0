using System.Collections.Generic;
using Hutch.Devices;

namespace Hutch.Vmm.Run;

/// <summary>The part of the verb <c>set</c> that is about cables: <c>nic0=down</c>, several with ';' between them.</summary>
internal static class LinkChange
{
    private const string Option = "link";

    /// <summary>Plugs in and pulls what the option says; returns the other options. Throws <see cref="ConfigException"/>, with nothing changed.</summary>
    internal static IReadOnlyDictionary<string, string> Apply(IReadOnlyList<INetworkCard> cards, IReadOnlyDictionary<string, string> options)
    {
        if (!options.TryGetValue(Option, out string? text)) return options;
        List<(INetworkCard Card, bool Up)> changes = [];
        foreach (string change in text.Split(';'))
        {
            string[] parts = change.Split('=');
            if (parts.Length != 2 || parts[1] is not ("up" or "down")) throw new ConfigException($"'{change}' is no state of a cable; write CARD=up or CARD=down.");
            changes.Add((Lookup.Find(cards, static card => card.Name, parts[0], "network card"), parts[1] == "up"));
        }
        foreach ((INetworkCard card, bool up) in changes) card.SetLink(up);
        return SetOptions.Without(options, Option);
    }
}
