using System.CommandLine;

namespace Hutch.Cli.Commands;

/// <summary>What the verbs about machines have in common on their command lines.</summary>
internal static class MachineSymbols
{
    /// <summary>The machine, by its name.</summary>
    internal static readonly Argument<string> Name = new("name") { HelpName = "NAME", Description = "Name of the machine, as 'hutch ps' shows it." };

    /// <summary>The answer is for programs.</summary>
    internal static readonly Option<bool> Json = new("--json") { Description = "Write JSON: one object on a line." };
}
