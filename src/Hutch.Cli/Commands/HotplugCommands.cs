using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Linq;
using Hutch.Cli.Control;
using Hutch.Cli.Options;
using Hutch.Model.Control;
using Hutch.Model.Machine;
using static Hutch.Cli.Commands.MachineSymbols;

namespace Hutch.Cli.Commands;

/// <summary>The verbs <c>attach</c> and <c>detach</c>: devices that come and go while the guest runs.</summary>
internal static class HotplugCommands
{
    private static readonly Option<string?> Disk = new("--disk") { HelpName = "PATH[,opt=val]...", Description = "Plug a disk in, as --disk of 'hutch run'." };
    private static readonly Option<string?> Net = new("--net") { HelpName = "KIND[,opt=val]...", Description = "Plug a network card in, as --net of 'hutch run'." };
    private static readonly Option<string?> Device = new("--device") { HelpName = "NAME[,opt=val]...", Description = "Plug another device in: virtio-rng." };
    private static readonly Argument<string> Pulled = new("device") { HelpName = "DEVICE", Description = "The device's name: 'hutch attach' prints it, 'hutch inspect' lists them." };
    private static readonly Option<int> Timeout = new("--timeout")
    {
        HelpName = "SECONDS", DefaultValueFactory = _ => 15, Description = "How long to wait until the guest gives the device up.",
    };

    /// <summary>The commands for the parser.</summary>
    internal static Command[] Create()
    {
        Command attach = new("attach", "Plugs a device into a running machine and prints its name.") { Name, Disk, Net, Device };
        attach.SetAction(Attach);
        Command detach = new("detach", "Asks a running guest to give a device up, and pulls it out.") { Name, Pulled, Timeout };
        detach.SetAction(Detach);
        return [attach, detach];
    }

    private static int Attach(ParseResult result)
    {
        using VmClient client = VmClient.Connect(result.GetValue(Name)!);
        DeviceConfig config = Read(result, client.Name, Devices(client));
        Dictionary<string, string> options = new() { ["device"] = MachineWriter.WriteDevice(config) };
        if (client.Ask(new VmRequest(VmVerb.Attach, options)) is null) throw client.NoAnswer();
        Console.Out.WriteLine(config.Id);
        return 0;
    }

    private static int Detach(ParseResult result)
    {
        using VmClient client = VmClient.Connect(result.GetValue(Name)!);
        string device = result.GetValue(Pulled)!;
        Dictionary<string, string> options = new() { ["device"] = device };
        if (client.Ask(new VmRequest(VmVerb.Detach, options)) is null) throw client.NoAnswer();
        int seconds = Math.Max(0, result.GetValue(Timeout));
        GuestPoll.Until(client, (details, waited) => !details.Devices.Contains(device) || (waited <= seconds ? false : throw new UserException(
            $"The guest of '{client.Name}' has not given '{device}' up within {seconds} s: it may use it, be paused, or know nothing of hot-plug. It is asked still; end its use there, or wait with --timeout.",
            ExitStatus.BadConfiguration)));
        return 0;
    }

    private static DeviceConfig Read(ParseResult result, string machine, IReadOnlyCollection<string> taken)
    {
        string Free(string kind)
        {
            int number = 0;
            while (taken.Contains($"{kind}{number}")) number++;
            return $"{kind}{number}";
        }
        (string? disk, string? net, string? device) = (result.GetValue(Disk), result.GetValue(Net), result.GetValue(Device));
        if (new[] { disk, net, device }.Count(static text => text is not null) != 1)
            throw new UserException("Say what to plug in: one of --disk, --net and --device.", ExitStatus.Usage);
        if (disk is not null)
        {
            VirtioBlockConfig config = DiskOption.Parse(disk, Free("disk"), 1, out DiskBus bus);
            if (bus != DiskBus.Virtio) throw OptionText.Bad("--disk", disk, "only disks with bus=virtio can be plugged in.");
            // The machine's process may be elsewhere.
            return DiskOption.IsNoPath(config.Disk.Path) ? config : config with { Disk = config.Disk with { Path = System.IO.Path.GetFullPath(config.Disk.Path) } };
        }
        if (net is not null) return NetOption.Parse(net, Free("nic"), machine) ?? throw OptionText.Bad("--net", net, "there is nothing to plug in.");
        return DeviceOption.Parse(device!, taken.Count);
    }

    private static IReadOnlyCollection<string> Devices(VmClient client) =>
        client.Ask(new VmRequest(VmVerb.Inspect)) is { Details: { } details } ? details.Devices : throw client.NoAnswer();
}
