using System;
using System.CommandLine;
using System.IO;
using System.Text.Json;
using Hutch.Cli.Doctor;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>The verb <c>hutch host</c>: settings of the whole host. <c>hutch host ksm</c> is the merging of equal pages.</summary>
internal static class HostCommand
{
    private const string Folder = "/sys/kernel/mm/ksm/";
    private const ulong PageBytes = 4096;

    private static readonly Argument<string> Action = new("action") { HelpName = "on|off|status", Description = "Switch it on, switch it off and take merged pages apart, or say how it stands." };
    private static readonly Option<bool> Json = new("--json") { Description = "Write one JSON object." };

    /// <summary>The command for the parser.</summary>
    internal static Command Create()
    {
        Command ksm = new("ksm", "Merging of equal pages (KSM) on this host; machines offer theirs with --ksm on.") { Action, Json };
        ksm.SetAction(result => Ksm(new HostFiles("/"), result.GetValue(Action)!, result.GetValue(Json)));
        return new Command("host", "Settings of this host.") { ksm };
    }

    private static int Ksm(HostFiles files, string action, bool json)
    {
        if (files.Number(Folder + "run") is null)
            throw new UserException("The host's kernel has no merging of equal pages; take one with CONFIG_KSM.", ExitStatus.BadConfiguration);
        switch (action)
        {
            case "on": Write(files, "1"); break;
            // 2 also takes apart what was merged (linux Documentation/admin-guide/mm/ksm.rst).
            case "off": Write(files, "2"); break;
            case "status": break;
            default: throw new UserException($"hutch host ksm '{action}': write on, off or status.", ExitStatus.Usage);
        }
        Show(files, json);
        return 0;
    }

    private static void Write(HostFiles files, string value)
    {
        try
        {
            File.WriteAllText(files.At(Folder + "run"), value);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"'{Folder}run' cannot be written: {refused.Message.TrimEnd('.')}; switch it as root.", ExitStatus.BadConfiguration);
        }
    }

    // pages_sharing counts the places that were given up for one of the pages_shared.
    private static void Show(HostFiles files, bool json)
    {
        bool on = files.Number(Folder + "run") == 1;
        ulong shared = Bytes(files, "pages_shared"), saved = Bytes(files, "pages_sharing"), scanned = Bytes(files, "pages_scanned");
        if (!json)
        {
            Console.Out.WriteLine($"Merging of equal pages is {(on ? "on" : "off")}: {Amount.Of(saved)} saved by {Amount.Of(shared)} of shared pages, {files.Number(Folder + "full_scans") ?? 0} full scans.");
            return;
        }
        using Stream output = Console.OpenStandardOutput();
        using (Utf8JsonWriter writer = new(output))
        {
            writer.WriteStartObject();
            writer.WriteBoolean("on", on);
            writer.WriteNumber("savedBytes", saved);
            writer.WriteNumber("sharedBytes", shared);
            writer.WriteNumber("scannedBytes", scanned);
            writer.WriteNumber("fullScans", files.Number(Folder + "full_scans") ?? 0);
            writer.WriteEndObject();
        }
        output.WriteByte((byte)'\n');
    }

    private static ulong Bytes(HostFiles files, string name) => (ulong)Math.Max(0, files.Number(Folder + name) ?? 0) * PageBytes;
}
