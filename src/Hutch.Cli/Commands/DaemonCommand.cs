using System;
using System.Collections;
using System.Collections.Generic;
using System.CommandLine;
using System.IO;
using Hutch.Host.Linux;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>The verb <c>hutch daemon</c>: becomes <c>hutchd</c>, which answers virsh and the other clients of libvirt.</summary>
internal static class DaemonCommand
{
    // The launcher builds the daemon apart from the rest and says where it is.
    private const string Variable = "HUTCHD";

    private const string About =
        """
        Answers virsh, virt-install, virt-manager and other clients of libvirt, until a signal ends it; machines that run go on, and the next daemon finds them.

        Root's daemon keeps domains in /var/lib/hutch, another user's in ~/.local/state/hutch. A client names its socket:
          virsh -c 'qemu+unix:///system?socket=/run/hutchd/libvirt-sock' list --all
        With --listen /run/libvirt/libvirt-sock it is what clients find by themselves, where no libvirtd is.
        """;

    private static readonly Option<string?> Listen = new("--listen") { HelpName = "PATH", Description = "Where clients connect. [default: hutchd/libvirt-sock in the runtime directory]" };

    /// <summary>The command for the parser.</summary>
    internal static Command Create()
    {
        Command command = new("daemon", About) { Listen };
        command.SetAction(result => Run(result.GetValue(Listen)));
        return command;
    }

    private static int Run(string? listen)
    {
        string program = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named ? named : Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "daemon", "hutchd"));
        if (!File.Exists(program)) throw new UserException($"The daemon '{program}' is missing; start hutch through the launcher ./hutch, which builds it.", ExitStatus.BadConfiguration);
        List<string> arguments = [program, "--vmm", Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "vmm", "hutch-vmm"))];
        if (listen is not null) arguments.AddRange(["--listen", Path.GetFullPath(listen)]);
        Dictionary<string, string> variables = [];
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables()) variables[(string)variable.Key] = (string)variable.Value!;
        variables.Remove(Variable);
        ProcessImage.Exec(program, arguments, variables);
        return 0;
    }
}
