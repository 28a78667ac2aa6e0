using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Text;
using Hutch.Cli.Control;
using Hutch.Cli.Options;
using Hutch.Model.Control;
using Hutch.Model.Machine;
using static Hutch.Cli.Commands.MachineSymbols;

namespace Hutch.Cli.Commands;

/// <summary>The verbs about machines that run: <c>ps</c>, <c>status</c>, <c>pause</c>, <c>resume</c>, <c>reset</c>, <c>resize</c>, <c>media</c>, <c>screenshot</c>, <c>stop</c>, <c>kill</c>.</summary>
internal static class ControlCommands
{
    // A machine answers this at once unless it is stuck.
    private const int PatienceMs = 5000;

    private static readonly Option<int> Timeout = new("--timeout")
    {
        HelpName = "SECONDS", DefaultValueFactory = _ => 60, Description = "How long to wait for the guest to switch itself off.",
    };

    private static readonly Argument<string> Disk = new("disk") { HelpName = "DISK", Description = "The disk's name: disk0 is the first." };
    private static readonly Argument<string> NewSize = new("size") { HelpName = "[+]SIZE", Description = "How long it is to be, or with + how much longer; bytes, or with K, M, G, T, P or E." };

    private static readonly Argument<string> Drive = new("drive") { HelpName = "DRIVE", Description = "The drive's name: cdrom0 is the first." };
    private static readonly Argument<string> Disc = new("file") { HelpName = "FILE|none", Description = "The image of the disc to put in; none: leave the drive empty." };
    private static readonly Option<bool> Force = new("--force") { Description = "Take the old disc away even where the guest keeps it." };

    private static readonly Argument<string> Picture = new("file") { HelpName = "FILE", Description = "Where the picture goes, as its name ends: .png or .ppm." };

    /// <summary>The commands for the parser.</summary>
    internal static Command[] Create() =>
    [
        Make("ps", "Lists the machines that run.", List, Json),
        Make("status", "Says what a machine does.", ShowStatus, Name, Json),
        Make("pause", "Stops a machine's vCPUs and its clocks.", result => Do(result, VmVerb.Pause), Name, Json),
        Make("resume", "Lets a paused machine go on.", result => Do(result, VmVerb.Resume), Name, Json),
        Make("reset", "Resets a machine as its button does.", result => Do(result, VmVerb.Reset), Name, Json),
        Make("resize", "Makes a disk of a machine longer; its guest sees it at once.", Resize, Name, Disk, NewSize, Json),
        Make("media", "Changes the disc in a machine's CD-ROM drive.", ChangeMedium, Name, Drive, Disc, Force, Json),
        Make("screenshot", "Writes what a machine's screen shows to a file.", TakeScreenshot, Name, Picture, Json),
        Make("stop", "Presses the power button and waits until the guest has switched itself off.", Stop, Name, Timeout, Json),
        Make("kill", "Ends a machine at once, as pulling the plug does; its disks are flushed.", Kill, Name, Json),
    ];

    private static Command Make(string name, string about, Func<ParseResult, int> action, params ReadOnlySpan<Symbol> parts)
    {
        Command command = new(name, about);
        foreach (Symbol part in parts)
        {
            if (part is Argument argument) command.Add(argument);
            else command.Add((Option)part);
        }
        command.SetAction(action);
        return command;
    }

    private static int List(ParseResult result)
    {
        bool json = result.GetValue(Json);
        if (!json) Row("NAME", "STATE", "PID", "ENGINE", "VCPUS", "MEMORY");
        foreach (string name in VmClient.Names())
        {
            using VmClient? client = VmClient.TryConnect(name);
            if (client?.Ask(new VmRequest(VmVerb.Status), timeoutMs: PatienceMs)?.Status is VmStatus status) Show(status, json);
        }
        return 0;
    }

    private static int ShowStatus(ParseResult result)
    {
        using VmClient client = VmClient.Connect(result.GetValue(Name)!);
        VmStatus status = client.Ask(new VmRequest(VmVerb.Status), timeoutMs: PatienceMs)?.Status ?? throw client.NoAnswer();
        bool json = result.GetValue(Json);
        if (!json) Row("NAME", "STATE", "PID", "ENGINE", "VCPUS", "MEMORY");
        Show(status, json);
        if (!json && status.Reason is not null) Console.Out.WriteLine(status.Reason);
        return 0;
    }

    private static int Resize(ParseResult result)
    {
        string size = DiskSize.Parse(result.GetValue(NewSize)!);
        using VmClient client = VmClient.Connect(result.GetValue(Name)!);
        Dictionary<string, string> options = new() { ["disk"] = result.GetValue(Disk)!, ["size"] = size };
        if (client.Ask(new VmRequest(VmVerb.Resize, options)) is null) throw client.NoAnswer();
        return 0;
    }

    private static int ChangeMedium(ParseResult result)
    {
        Dictionary<string, string> options = new() { ["drive"] = result.GetValue(Drive)! };
        if (result.GetValue(Disc) is { } file && file != DriveComposer.NoDisc) options["file"] = DiskOption.CheckedPath("media", file);
        if (result.GetValue(Force)) options["force"] = "on";
        using VmClient client = VmClient.Connect(result.GetValue(Name)!);
        if (client.Ask(new VmRequest(VmVerb.Media, options)) is null) throw client.NoAnswer();
        return 0;
    }

    private static int TakeScreenshot(ParseResult result)
    {
        using VmClient client = VmClient.Connect(result.GetValue(Name)!);
        Dictionary<string, string> options = new() { ["file"] = Path.GetFullPath(result.GetValue(Picture)!) };
        if (client.Ask(new VmRequest(VmVerb.Screenshot, options), timeoutMs: PatienceMs) is null) throw client.NoAnswer();
        return 0;
    }

    private static int Do(ParseResult result, string verb)
    {
        using VmClient client = VmClient.Connect(result.GetValue(Name)!);
        if (client.Ask(new VmRequest(verb)) is null) throw client.NoAnswer();
        return 0;
    }

    private static int Stop(ParseResult result)
    {
        using VmClient client = VmClient.Connect(result.GetValue(Name)!);
        int seconds = Math.Clamp(result.GetValue(Timeout), 0, int.MaxValue / 1000);
        if (client.Ask(new VmRequest(VmVerb.PowerDown)) is null || client.WaitForEnd(seconds * 1000)) return 0;
        throw new UserException(
            $"The guest of '{client.Name}' did not switch itself off within {seconds} s of its power button; wait with --timeout, or end it with 'hutch kill {client.Name}'.",
            ExitStatus.BadConfiguration);
    }

    private static int Kill(ParseResult result)
    {
        using VmClient client = VmClient.Connect(result.GetValue(Name)!);
        _ = client.Ask(new VmRequest(VmVerb.Quit));
        _ = client.WaitForEnd(PatienceMs);
        return 0;
    }

    private static void Show(VmStatus status, bool json)
    {
        if (json) Console.Out.Write(Encoding.UTF8.GetString(ControlLine.Write(status)));
        else Row(status.Name, status.State, Text(status.ProcessId), status.Engine, Text(status.Vcpus), $"{status.MemoryBytes >> 20} MiB");
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static void Row(string name, string state, string pid, string engine, string vcpus, string memory) =>
        Console.Out.WriteLine($"{name,-24} {state,-8} {pid,8} {engine,-9} {vcpus,5} {memory,12}");
}
