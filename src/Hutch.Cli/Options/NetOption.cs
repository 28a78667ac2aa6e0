using System;
using System.Collections.Generic;
using System.IO;
using Hutch.Host.Networks;
using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>The value of <c>--net</c>: a kind of network, then options. A comma in a path is written twice.</summary>
internal static class NetOption
{
    /// <summary>What the option looks like, for help and messages.</summary>
    internal const string Form = "user|tap|bridge=BR|passt=PATH|none[,model=virtio|e1000|rtl8139][,mac=MAC][,mtu=N][,queues=N][,link=up|down][,bootindex=N][,romfile=FILE][,capture=FILE][,in=RATE[/BURST]][,out=RATE[/BURST]]; "
        + "user: [,hostfwd=tcp|udp:[ADDR]:PORT-[GUEST]:PORT]...[,restrict=on|off][,net=A.B.C.D/N][,host=IP][,dns=IP][,dhcpstart=IP][,hostname=NAME][,ipv6=on|off][,tftp=DIR]"
        + "[,bootfile=FILE]; tap: [,ifname=NAME]";

    /// <summary>Reads the option; null for a card that is not wanted. Throws <see cref="UserException"/>.</summary>
    /// <param name="value">The option's text.</param>
    /// <param name="id">The card's name, unless it says another.</param>
    /// <param name="machine">The machine's name, of which the card's address is made unless it is said.</param>
    internal static NetCardConfig? Parse(string value, string id, string machine)
    {
        List<string> parts = OptionText.Split(value);
        if (parts is ["none"]) return null;
        NetCardConfig card = Card(value, parts, id, Kind(value, parts[0]));
        HashSet<string> seen = [];
        for (int i = 1; i < parts.Count; i++)
        {
            (string key, string? text) = OptionText.KeyValue(parts[i]);
            if (string.IsNullOrEmpty(text)) throw OptionText.Bad("--net", value, $"'{parts[i]}' is not of the form option=value.");
            if (!seen.Add(key) && key != "hostfwd") throw OptionText.Bad("--net", value, $"'{key}' is there twice.");
            card = Read(card, value, key, text);
        }
        return card.Mac.Length != 0 ? card : card with { Mac = MacAddress.Of(machine, card.Id) };
    }

    // The kind of card decides what the other options mean, so that it is looked for first.
    private static NetCardConfig Card(string value, List<string> parts, string id, NetBackendConfig backend)
    {
        string? model = parts.Find(static part => part.StartsWith("model=", StringComparison.Ordinal))?["model=".Length..];
        return model switch
        {
            null or "virtio" => new VirtioNetConfig(id, "", backend),
            "e1000" => new E1000Config(id, "", backend),
            "rtl8139" => new Rtl8139Config(id, "", backend),
            _ => throw OptionText.Bad("--net", value, $"there is no card '{model}'; there are virtio, e1000 and rtl8139."),
        };
    }

    private static NetBackendConfig Kind(string value, string text)
    {
        (string kind, string? name) = OptionText.KeyValue(text);
        return (kind, name) switch
        {
            ("user", null) => new NetBackendConfig(NetBackendKind.User),
            ("tap", null) => new NetBackendConfig(NetBackendKind.Tap),
            ("bridge", { Length: > 0 and <= NetworkInterfaces.LongestName }) => new NetBackendConfig(NetBackendKind.Bridge) { Interface = name },
            ("passt", { Length: > 0 }) => new NetBackendConfig(NetBackendKind.Passt) { Path = Path.GetFullPath(name) },
            _ => throw OptionText.Bad("--net", value, "write user, tap, bridge=BR, passt=PATH or none, then options."),
        };
    }

    private static NetCardConfig Read(NetCardConfig card, string value, string key, string text) => key switch
    {
        "id" => card with { Id = text },
        "model" => card,
        "bootindex" => card with { BootIndex = Number(value, key, text, 0, 9999) },
        "romfile" => card with { RomPath = DiskOption.CheckedPath("--net", text) },
        "mac" => card with { Mac = Mac(value, text) },
        "mtu" when card is VirtioNetConfig virtio => virtio with { MtuBytes = Number(value, key, text, 68, VirtioNetConfig.LongestMtu) },
        "queues" when card is VirtioNetConfig virtio => virtio with { Queues = Number(value, key, text, 1, VirtioNetConfig.MostQueues) },
        "mtu" or "queues" => throw OptionText.Bad("--net", value, $"{key} is for cards of the model virtio."),
        "link" => card with { LinkDown = !Switch(value, key, text, "up", "down") },
        _ => card with { Backend = ReadBackend(card.Backend, value, key, text) },
    };

    private static NetBackendConfig ReadBackend(NetBackendConfig backend, string value, string key, string text) => (key, backend.Kind) switch
    {
        ("capture", _) => backend with { Capture = Path.GetFullPath(text) },
        ("in", _) => backend with { Inbound = Rate(value, key, text) },
        ("out", _) => backend with { Outbound = Rate(value, key, text) },
        ("ifname", NetBackendKind.Tap) => backend with
        {
            Interface = text.Length <= NetworkInterfaces.LongestName ? text : throw OptionText.Bad("--net", value, $"an interface's name has at most {NetworkInterfaces.LongestName} letters."),
        },
        (_, NetBackendKind.User) => ReadUser(backend, value, key, text),
        _ => throw Unknown(value, key),
    };

    private static NetBackendConfig ReadUser(NetBackendConfig backend, string value, string key, string text) => key switch
    {
        "hostfwd" => backend with { Forwards = backend.Forwards.Add(ForwardOption.Parse(value, text)) },
        "restrict" => backend with { Restrict = Switch(value, key, text, "on", "off") },
        "ipv6" => backend with { NoIPv6 = !Switch(value, key, text, "on", "off") },
        "net" => backend with { Network = text },
        "host" => backend with { Host = text },
        "dns" => backend with { Dns = text },
        "dhcpstart" => backend with { DhcpStart = text },
        "hostname" => backend with { Hostname = text },
        "tftp" => backend with { Tftp = Path.GetFullPath(text) },
        "bootfile" => backend with { BootFile = text },
        _ => throw Unknown(value, key),
    };

    private static UserException Unknown(string value, string key) => OptionText.Bad("--net", value, $"'{key}' is not known for this network; write {Form}.");

    private static string Mac(string value, string text)
    {
        Span<byte> address = stackalloc byte[MacAddress.Bytes];
        return MacAddress.TryParse(text, address) ? MacAddress.Format(address)
            : throw OptionText.Bad("--net", value, "mac is six bytes like 52:54:00:12:34:56, the first one even.");
    }

    private static int Number(string value, string key, string text, uint least, uint most) =>
        OptionText.TryNumber(text, most, out uint number) && number >= least ? (int)number : throw OptionText.Bad("--net", value, $"{key} is a number from {least} to {most}.");

    private static bool Switch(string value, string key, string text, string on, string off) =>
        text == on || (text == off ? false : throw OptionText.Bad("--net", value, $"{key} is {on} or {off}."));

    private static NetRate Rate(string value, string key, string text)
    {
        string[] parts = text.Split('/');
        if (parts.Length <= 2 && DiskSize.TryParse(parts[0], out long average) && average > 0)
        {
            if (parts.Length == 1) return new NetRate(average);
            if (DiskSize.TryParse(parts[1], out long burst) && burst > 0) return new NetRate(average, burst);
        }
        throw OptionText.Bad("--net", value, $"{key} is bytes for a second and perhaps, behind '/', bytes at once, both with K, M or G: {key}=10M or {key}=10M/1M.");
    }
}
