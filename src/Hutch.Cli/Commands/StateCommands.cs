using System;
using System.Collections.Generic;
using System.CommandLine;
using System.IO;
using Hutch.Cli.Control;
using Hutch.Cli.Launch;
using Hutch.Cli.Options;
using Hutch.Model.Control;
using Hutch.Model.Machine;
using static Hutch.Cli.Commands.MachineSymbols;

namespace Hutch.Cli.Commands;

/// <summary>The verbs about saved machines: <c>save</c> and <c>restore</c>.</summary>
internal static class StateCommands
{
    private static readonly Argument<string> Target = new("file") { HelpName = "FILE", Description = "Where the state goes; it replaces what is there once it is whole." };
    private static readonly Argument<string> Source = new("file") { HelpName = "FILE", Description = "A state that 'hutch save' wrote." };
    private static readonly Option<bool> KeepRunning = new("--keep-running") { Description = "The machine goes on afterwards instead of ending." };
    private static readonly Option<bool> KeepPaused = new("--keep-paused") { Description = "The machine is paused afterwards instead of ending." };
    private static readonly Option<bool> Paused = new("--paused") { Description = "The machine waits for 'hutch resume'." };
    private static readonly Option<string?> NewName = new("--name") { HelpName = "NAME", Description = "Another name for the machine. [default: the one it had]" };
    private static readonly Option<bool> JsonMessages = new("--json") { Description = "Messages are JSON lines." };
    private static readonly Option<string?> Engine = new("--engine")
    {
        HelpName = "auto|kvm|software", Description = "What executes the guest, also if another engine did before. [default: as the machine was started]",
    };

    private static readonly string AboutSave =
        """
        Writes the whole state of a running or paused machine to a file and ends the machine.

        The guest stands still meanwhile; its disks are flushed and their content is not in the file. Ctrl-C gives up, and the machine goes on.
        """;

    private static readonly string AboutRestore =
        """
        Goes on with a saved machine, in this terminal, as if no time had passed for its guest.

        The disk images must be as they were when it was saved. The file must stay as it is while the machine runs: its memory is read from there as the
        guest touches it. Exit statuses are those of 'hutch run'.
        """;

    private static readonly Option<string?> Display = new("--display") { HelpName = DisplayOption.Form, Description = "Where its screen is served, if it has one. [default: as the machine was started]" };

    /// <summary>The commands for the parser.</summary>
    internal static Command[] Create()
    {
        Command save = new("save", AboutSave) { Name, Target, KeepRunning, KeepPaused, JsonMessages };
        save.SetAction(Save);
        Command restore = new("restore", AboutRestore) { Source, Engine, Display, Paused, NewName, JsonMessages };
        restore.SetAction(Restore);
        return [save, restore];
    }

    private static int Save(ParseResult result)
    {
        bool json = result.GetValue(JsonMessages), running = result.GetValue(KeepRunning), paused = result.GetValue(KeepPaused);
        if (running && paused) throw new UserException("--keep-running and --keep-paused exclude each other; write one of them.", ExitStatus.Usage);
        using VmClient client = VmClient.Connect(result.GetValue(Name)!);
        string file = Path.GetFullPath(result.GetValue(Target)!);
        Dictionary<string, string> options = new() { ["file"] = file, ["then"] = running ? "resume" : paused ? "pause" : "quit" };
        bool shows = !json && !Console.IsErrorRedirected;
        VmReply? reply = client.Ask(new VmRequest(VmVerb.Save, options), (done, total) =>
        {
            if (shows) Console.Error.Write($"\rhutch: saving {100 * done / Math.Max(total, 1)} %");
        });
        if (shows) Console.Error.Write("\r\u001b[K");
        if (reply is null) throw new UserException($"The machine '{client.Name}' ended before it was saved.", ExitStatus.BadConfiguration);
        if (!running && !paused) _ = client.WaitForEnd(timeoutMs: 10_000);
        return 0;
    }

    private static List<string> Place(VncConfig? display)
    {
        if (display is null) return ["--vnc", "none"];
        List<string> arguments = ["--vnc", display.SocketPath is null ? $"{display.Host}:{display.Port}" : $"unix:{display.SocketPath}"];
        if (display.PasswordPath is not null) arguments.AddRange(["--vnc-password", display.PasswordPath]);
        return arguments;
    }

    private static int Restore(ParseResult result)
    {
        List<string> arguments = ["--restore", DiskOption.CheckedPath("FILE", result.GetValue(Source)!)];
        if (result.GetValue(Engine) is string engine)
        {
            _ = EngineOption.Parse(engine);
            arguments.AddRange(["--engine", engine]);
        }
        if (result.GetValue(NewName) is string name) arguments.AddRange(["--name", NameOption.Checked(name)]);
        if (result.GetValue(Display) is string display) arguments.AddRange(Place(DisplayOption.Parse(display)));
        if (result.GetValue(Paused)) arguments.Add("--paused");
        if (result.GetValue(JsonMessages)) arguments.Add("--json");
        VmmProcess.Become(arguments);
        return 0;
    }
}
