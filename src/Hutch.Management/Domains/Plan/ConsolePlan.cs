using System.Collections.Immutable;
using System.IO;
using Hutch.Model.Domains;
using Hutch.Model.Machine;

namespace Hutch.Management.Domains.Plan;

/// <summary>Serial ports, consoles and channels.</summary>
internal static class ConsolePlan
{
    private const int MostSerialPorts = 4;

    internal static void Add(PlanBuilder builder)
    {
        ImmutableArray<SerialPortConfig>.Builder channels = ImmutableArray.CreateBuilder<SerialPortConfig>();
        foreach (CharacterDevice device in builder.All<CharacterDevice>())
        {
            string alias = device.Alias ?? device.Kind;
            switch (device)
            {
                case { Kind: "serial", TargetType: null or "isa-serial", Model: null or "isa-serial" }:
                    int port = device.Port ?? 0;
                    if (port is < 0 or >= MostSerialPorts) throw MachinePlan.Refuse($"serial port {port}", $"there are 0 to {MostSerialPorts - 1}");
                    builder.Devices.Add(new SerialConfig($"com{port + 1}", port + 1, Backend(builder, device, alias)));
                    break;
                case { Kind: "console", TargetType: null or "serial" }:
                    // It is the first serial port once more, and leads to the same terminal.
                    if (Same(builder) is { } serial) builder.Replace(device, device with { Source = serial.Source });
                    break;
                case { Kind: "console", TargetType: "virtio" }:
                    builder.Devices.Add(new VirtioConsoleConfig(alias, Backend(builder, device, alias)));
                    break;
                case { Kind: "channel", TargetType: "virtio", Source: { Type: "unix", Mode: null or "bind" } source }:
                    string path = source.Path ?? Path.Combine(builder.Places.Folder, device.ChannelName?.Replace('/', '-') ?? alias);
                    builder.Replace(device, device with { Source = source with { Mode = "bind", Path = path } });
                    channels.Add(new SerialPortConfig(alias, path, device.ChannelName));
                    break;
                default:
                    throw MachinePlan.Refuse($"a {device.Kind} device of type '{device.TargetType ?? device.Source.Type}' on '{device.Source.Type}'", "there are serial ports, virtio consoles, and virtio channels on unix sockets that listen");
            }
        }
        if (channels.Count > VirtioSerialConfig.MostPorts) throw MachinePlan.Refuse($"more than {VirtioSerialConfig.MostPorts} channels", "leave some out");
        if (channels.Count != 0) builder.Devices.Add(new VirtioSerialConfig("virtio-serial0", channels.ToImmutable()));
    }

    private static CharacterDevice? Same(PlanBuilder builder)
    {
        foreach (DomainDevice device in builder.Live)
            if (device is CharacterDevice { Kind: "serial" } serial) return serial;
        return null;
    }

    private static CharacterBackend Backend(PlanBuilder builder, CharacterDevice device, string alias)
    {
        CharacterSource source = device.Source;
        switch (source.Type)
        {
            case "pty":
                string link = Path.Combine(builder.Places.Folder, alias);
                builder.Replace(device, device with { Source = source with { Path = link } });
                return new CharacterBackend(CharacterBackendKind.Pty, link);
            case "null": return new CharacterBackend(CharacterBackendKind.None);
            case "file" when source.Path is not null: return new CharacterBackend(CharacterBackendKind.File, source.Path);
            case "unix" when source.Mode != "connect":
                string path = source.Path ?? Path.Combine(builder.Places.Folder, $"{alias}.sock");
                builder.Replace(device, device with { Source = source with { Mode = "bind", Path = path } });
                return new CharacterBackend(CharacterBackendKind.Unix, path);
            default: throw MachinePlan.Refuse($"a {device.Kind} device on '{source.Type}'", "there are pty, null, file, and unix sockets that listen");
        }
    }
}
