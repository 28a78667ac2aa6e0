using System;
using System.Collections.Immutable;
using System.Text.Json;

namespace Hutch.Model.Machine;

/// <summary>A network card's part of the JSON of <see cref="MachineWriter"/> and <see cref="MachineReader"/>.</summary>
internal static class NetJson
{
    // In the order of the enumeration's values.
    private static readonly string[] Kinds = [nameof(NetBackendKind.None), nameof(NetBackendKind.User), nameof(NetBackendKind.Tap), nameof(NetBackendKind.Bridge), nameof(NetBackendKind.Passt)];

    /// <summary>The kind of a card, as the machine's JSON has it.</summary>
    internal static string TypeOf(NetCardConfig card) => card switch
    {
        VirtioNetConfig => "virtio-net",
        E1000Config => "e1000",
        Rtl8139Config => "rtl8139",
        _ => throw new ArgumentException($"{card.GetType().Name} has no JSON.", nameof(card)),
    };

    /// <summary>Writes the properties into an open object.</summary>
    internal static void Write(Utf8JsonWriter writer, NetCardConfig card)
    {
        NetBackendConfig backend = card.Backend;
        writer.WriteString("Mac", card.Mac);
        writer.WriteStartObject("Backend");
        writer.WriteString("Kind", Kinds[(int)backend.Kind]);
        writer.WriteString("Network", backend.Network);
        WriteSaid(writer, "Host", backend.Host);
        WriteSaid(writer, "Dns", backend.Dns);
        WriteSaid(writer, "DhcpStart", backend.DhcpStart);
        WriteSaid(writer, "Hostname", backend.Hostname);
        WriteSaid(writer, "Tftp", backend.Tftp);
        WriteSaid(writer, "BootFile", backend.BootFile);
        writer.WriteBoolean("Restrict", backend.Restrict);
        writer.WriteBoolean("NoIPv6", backend.NoIPv6);
        writer.WriteStartArray("Forwards");
        foreach (PortForward forward in backend.Forwards) WriteForward(writer, forward);
        writer.WriteEndArray();
        WriteSaid(writer, "Interface", backend.Interface);
        WriteSaid(writer, "Path", backend.Path);
        WriteSaid(writer, "Capture", backend.Capture);
        WriteRate(writer, "Inbound", backend.Inbound);
        WriteRate(writer, "Outbound", backend.Outbound);
        writer.WriteEndObject();
        if (card is VirtioNetConfig virtio)
        {
            writer.WriteNumber("Queues", virtio.Queues);
            writer.WriteNumber("MtuBytes", virtio.MtuBytes);
        }
        writer.WriteBoolean("LinkDown", card.LinkDown);
        if (card.BootIndex is int index) writer.WriteNumber("BootIndex", index);
        WriteSaid(writer, "RomPath", card.RomPath);
    }

    /// <summary>Reads them. Throws what <see cref="JsonElement"/> throws, and <see cref="FormatException"/>.</summary>
    /// <param name="id">The card's name.</param>
    /// <param name="type">Its kind, as the machine's JSON has it.</param>
    /// <param name="device">Its element.</param>
    internal static NetCardConfig Read(string id, string type, JsonElement device)
    {
        NetBackendConfig network = ReadBackend(device.GetProperty("Backend"));
        string mac = MachineReader.Text(device, "Mac");
        NetCardConfig card = type switch
        {
            "virtio-net" => new VirtioNetConfig(id, mac, network) { Queues = device.GetProperty("Queues").GetInt32(), MtuBytes = device.GetProperty("MtuBytes").GetInt32() },
            "e1000" => new E1000Config(id, mac, network),
            "rtl8139" => new Rtl8139Config(id, mac, network),
            _ => throw new FormatException($"'{type}' is no network card."),
        };
        return card with
        {
            LinkDown = MachineReader.Flag(device, "LinkDown"),
            BootIndex = MachineReader.OptionalNumber(device, "BootIndex"),
            RomPath = MachineReader.OptionalText(device, "RomPath"),
        };
    }

    private static NetBackendConfig ReadBackend(JsonElement backend)
    {
        string kind = MachineReader.Text(backend, "Kind");
        int index = Array.IndexOf(Kinds, kind);
        if (index < 0) throw new FormatException($"'{kind}' is no network back end.");
        JsonElement list = backend.GetProperty("Forwards");
        PortForward[] forwards = new PortForward[list.GetArrayLength()];
        for (int i = 0; i < forwards.Length; i++) forwards[i] = ReadForward(list[i]);
        return new NetBackendConfig((NetBackendKind)index)
        {
            Network = MachineReader.Text(backend, "Network"),
            Host = MachineReader.OptionalText(backend, "Host"),
            Dns = MachineReader.OptionalText(backend, "Dns"),
            DhcpStart = MachineReader.OptionalText(backend, "DhcpStart"),
            Hostname = MachineReader.OptionalText(backend, "Hostname"),
            Tftp = MachineReader.OptionalText(backend, "Tftp"),
            BootFile = MachineReader.OptionalText(backend, "BootFile"),
            Restrict = MachineReader.Flag(backend, "Restrict"),
            NoIPv6 = MachineReader.Flag(backend, "NoIPv6"),
            Forwards = ImmutableArray.Create(forwards),
            Interface = MachineReader.OptionalText(backend, "Interface"),
            Path = MachineReader.OptionalText(backend, "Path"),
            Capture = MachineReader.OptionalText(backend, "Capture"),
            Inbound = ReadRate(backend, "Inbound"),
            Outbound = ReadRate(backend, "Outbound"),
        };
    }

    private static void WriteSaid(Utf8JsonWriter writer, string name, string? text)
    {
        if (text is not null) writer.WriteString(name, text);
    }

    private static void WriteForward(Utf8JsonWriter writer, PortForward forward)
    {
        writer.WriteStartObject();
        writer.WriteBoolean("IsUdp", forward.IsUdp);
        writer.WriteString("HostAddress", forward.HostAddress);
        writer.WriteNumber("HostPort", forward.HostPort);
        writer.WriteString("GuestAddress", forward.GuestAddress);
        writer.WriteNumber("GuestPort", forward.GuestPort);
        writer.WriteEndObject();
    }

    private static PortForward ReadForward(JsonElement forward) => new(MachineReader.Flag(forward, "IsUdp"), MachineReader.Text(forward, "HostAddress"),
        forward.GetProperty("HostPort").GetInt32(), MachineReader.Text(forward, "GuestAddress"), forward.GetProperty("GuestPort").GetInt32());

    private static void WriteRate(Utf8JsonWriter writer, string name, NetRate? rate)
    {
        if (rate is null) return;
        writer.WriteStartObject(name);
        writer.WriteNumber("AverageBytes", rate.AverageBytes);
        writer.WriteNumber("BurstBytes", rate.BurstBytes);
        writer.WriteEndObject();
    }

    private static NetRate? ReadRate(JsonElement backend, string name) => backend.TryGetProperty(name, out JsonElement rate) && rate.ValueKind == JsonValueKind.Object
        ? new NetRate(rate.GetProperty("AverageBytes").GetInt64(), rate.GetProperty("BurstBytes").GetInt64()) : null;
}
