using System;
using System.Collections.Generic;
using System.CommandLine;
using System.IO;
using System.Linq;
using Hutch.Cli.Doctor;
using Hutch.Host.Files;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>The verb <c>hutch doctor</c>: what this host can do for machines, each line tried, with the mend in it.</summary>
internal static class DoctorCommand
{
    private const string About =
        """
        Examines this host: what its CPU, kernel and files can do for machines, and how to mend what is missing. Every line is tried, not guessed. Nothing is changed.

        Exit status:
          0  machines run here, and everything that --require names is ok
          1  no machine can run here, or something that --require names is not ok
          2  the command line is wrong
        """;

    private static readonly Option<string[]> Require = new("--require")
    {
        HelpName = "CHECK", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = false,
        Description = "Fail unless this check is ok, for example kvm; may be repeated.",
    };

    private static readonly Option<bool> Json = new("--json") { Description = "Write one JSON object." };

    /// <summary>The command for the parser.</summary>
    internal static Command Create()
    {
        Command command = new("doctor", About) { Require, Json };
        command.SetAction(result => Run(result.GetValue(Require) ?? [], result.GetValue(Json)));
        return command;
    }

    private static int Run(IReadOnlyList<string> required, bool json)
    {
        DoctorReport report = DoctorReport.Examine(new HostFiles("/"), new HostTrials(), UserFolders.Cache ?? "/");
        foreach (string id in required)
            if (report.All.All(finding => finding.Id != id))
                throw new UserException($"--require '{id}': there is no such check; there are {string.Join(", ", report.All.Select(finding => finding.Id))}.", ExitStatus.Usage);
        if (json)
        {
            using Stream output = Console.OpenStandardOutput();
            report.WriteJson(output);
            output.WriteByte((byte)'\n');
        }
        else report.WriteText(Console.Out);
        return Status(report, required);
    }

    /// <summary>0 when machines run and every required check is ok, else 1.</summary>
    internal static int Status(DoctorReport report, IReadOnlyList<string> required) =>
        report.Obstacles.Any() || report.All.Any(finding => required.Contains(finding.Id) && finding.Verdict != Verdict.Ok) ? ExitStatus.BadConfiguration : 0;
}
