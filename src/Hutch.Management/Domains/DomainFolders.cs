using System;
using System.IO;
using Hutch.Host.Files;
using Hutch.Host.Trials;

namespace Hutch.Management.Domains;

/// <summary>Where the daemon has its files.</summary>
/// <param name="State">What outlives the host's start: definitions, firmware variables, logs.</param>
/// <param name="Runtime">What does not: which domains run.</param>
/// <param name="Machines">Where machines have their folders and take commands.</param>
public sealed record DomainFolders(string State, string Runtime, string Machines)
{
    /// <summary>Those of this user: of root the system's, of others below the home directory; XDG_STATE_HOME and XDG_RUNTIME_DIR name other ones.</summary>
    public static DomainFolders OfThisUser() => new(
        SystemTrials.UserId == 0 && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("XDG_STATE_HOME")) ? "/var/lib/hutch" : UserFolders.State ?? throw new ManagementException(FailureKind.HostFailed, "there is no home directory to keep domains in; set XDG_STATE_HOME"),
        RuntimeDirectory.Of("hutchd"), RuntimeDirectory.Of("hutch"));

    /// <summary>Definitions.</summary>
    public string Kept => Path.Combine(State, "domains");

    /// <summary>Which domains run.</summary>
    public string Running => Path.Combine(Runtime, "domains");

    /// <summary>What a machine says.</summary>
    public string LogOf(string machine) => Path.Combine(State, "log", $"{machine}.log");

    /// <summary>Files of a domain for as long as it runs: links to its terminals, sockets of its channels, its display's password.</summary>
    public string FolderOf(string machine) => Path.Combine(Runtime, "machines", machine);

    /// <summary>Variables of a domain's firmware.</summary>
    public string VariablesOf(string machine) => Path.Combine(State, "nvram", $"{machine}_VARS.fd");
}
